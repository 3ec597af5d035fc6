"""The machine of scripts that is Linux: `python -m tests.scripts.kernel [FILE...]`, as root, asks the kernel for each.

Every script gets a network namespace of its own, with a TAP whose other end is spoken by the script, and real sockets.
Real time, so tolerances are wide. Scripts that say `linux` are not asked without --all; nor are those that last long.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from neatctl.core.native import Memory, now_us
from neatctl.nic.devices.tap import open_tap
from tests.core.tcp.host import Segment, parse
from tests.scripts.reading import Script, read_script
from tests.scripts.running import CLIENT, SERVER, Connection, Differs, pattern, run

LONGEST_US = 6_000_000
HERE = Path(__file__).parent
_NEW_NETWORK = 0x40000000
_PEER_MAC = bytes.fromhex("020000000001")
_MAC = bytes.fromhex("020000000002")
_VNET = bytes(10)
_PATIENCE_S = 0.3
_GRACE_S = 0.002
_ICMP = {"net-unreachable": 0, "host-unreachable": 1, "protocol-unreachable": 2, "port-unreachable": 3}
_TOO_BIG = 4
_OPTIONS = {
    "cork": socket.TCP_CORK,
    "quickack": socket.TCP_QUICKACK,
    "keep-idle-s": socket.TCP_KEEPIDLE,
    "keep-interval-s": socket.TCP_KEEPINTVL,
    "keep-count": socket.TCP_KEEPCNT,
    "user-timeout-ms": socket.TCP_USER_TIMEOUT,
    "defer-accept-s": socket.TCP_DEFER_ACCEPT,
    "maxseg": socket.TCP_MAXSEG,
}
_STATES = (
    "", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED", "CLOSE-WAIT",
    "LAST-ACK", "LISTEN", "CLOSING",
)  # fmt: skip
_NETWORK = """\
link set lo up
link set seg0 address 02:00:00:00:00:02 mtu 1500 up
address add 10.77.0.2/24 dev seg0
neighbour replace 10.77.0.1 lladdr 02:00:00:00:00:01 dev seg0 nud permanent
"""


def enter_new_network() -> None:
    """Put this thread into a new, empty network namespace; the one before ends with its last user."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK):
        number = ctypes.get_errno()
        raise OSError(number, f"no network namespace: {os.strerror(number)}")


class KernelMachine:
    """Linux. `close` when done."""

    immediately_us = 60_000
    tolerance = 0.3
    exact = False

    def __init__(self, script: Script) -> None:
        enter_new_network()
        self.tap = open_tap("seg0", checksum_offload=False, segmentation_offload=False)
        subprocess.run(["ip", "-batch", "-"], input=_NETWORK, text=True, check=True)
        Path("/proc/sys/net/ipv4/tcp_no_metrics_save").write_text("1")
        self.script = script
        self.listener: socket.socket | None = None
        self.sockets: dict[int, socket.socket] = {}
        self.sent: Counter[int] = Counter()
        self.received: Counter[int] = Counter()

    def close(self) -> None:
        for each in [*self.sockets.values(), *([self.listener] if self.listener else [])]:
            each.close()
        os.close(self.tap)

    def now(self) -> int:
        return now_us()

    def finish(self) -> None:
        """Nothing to ask."""

    def inject(self, octets: bytes, key: bytes) -> None:
        self._send_packet(6, key[:4], key[4:8], octets)

    def advance(self, until: int) -> list[tuple[int, bytes, Segment]]:
        """What the kernel sends next, up to this time."""
        while True:
            wait = max((until - now_us()) / 1e6, _GRACE_S)
            if not select.select([self.tap], [], [], wait)[0]:
                return []
            frame = os.read(self.tap, 65600)
            if frame[22:24] == b"\x08\x00" and frame[33] == 6:
                segment = parse(bytes(6) + frame)
                return [(now_us(), segment.key, segment)]

    def call(self, connection: Connection, verb: str, words: list[str]) -> None:
        """One call on real sockets."""
        port = connection.peer_port
        if verb == "listen":
            said = dict(zip(words[::2], map(int, words[1::2]), strict=True))
            backlog = said.pop("backlog", 64)
            self.listener = self._socket(80)
            for name, value in said.items():
                _set_option(self.listener, name, value)
            self.listener.listen(backlog)
        elif verb == "unlisten" and self.listener is not None:
            self.listener.close()
            self.listener = None
        elif verb == "connect":
            self.sockets[port] = self._socket(connection.our_port)
            self.sockets[port].connect_ex(("10.77.0.1", port))
        elif verb == "accept":
            self._accept(port)
        elif verb == "icmp":
            self._icmp(connection, words)
        elif verb in {"counted", "gone"}:
            return
        elif verb == "state":
            if port in self.sockets and words[0] != "TIME-WAIT":  # of which a socket knows nothing
                info = self.sockets[port].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
                if _STATES[info[0]] != words[0]:
                    raise Differs(f"the state is {_STATES[info[0]]}")
        elif port not in self.sockets:
            raise Differs("the application knows no such connection")
        else:
            self._socket_call(self.sockets[port], port, verb, words)

    def _socket(self, port: int) -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        made.bind(("10.77.0.2", port))
        return made

    def _accept(self, port: int) -> None:
        end = time.monotonic() + _PATIENCE_S
        while port not in self.sockets:
            if self.listener is None or not select.select([self.listener], [], [], max(end - time.monotonic(), 0))[0]:
                raise Differs("nothing to accept")
            accepted, address = self.listener.accept()
            accepted.setblocking(False)
            self.sockets[address[1]] = accepted

    def _socket_call(self, used: socket.socket, port: int, verb: str, words: list[str]) -> None:
        if verb == "connected":
            error = used.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error or not select.select([], [used], [], _PATIENCE_S)[1]:
                raise Differs(f"it is not connected: {os.strerror(error)}")
        elif verb == "send":
            data = words[0][1:-1].encode() if words[0].startswith('"') else pattern(self.sent[port], int(words[0]))
            self.sent[port] += len(data)
            if words[1:]:
                used.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            if used.send(data) != len(data):
                raise Differs("the kernel did not take all octets")
            if words[1:]:
                self._end(used, port, {"shut": "shut", "close": "close"}[words[2]])
        elif verb == "read":
            self._read(used, port, words)
        elif verb == "end":
            if self._receive(used, 1) != b"":
                raise Differs("octets to read, no end")
        elif verb == "error":
            self._error(used, words[0])
        elif verb == "nodelay":
            used.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        elif verb == "option":
            _set_option(used, words[0], int(words[1]))
        elif verb == "urgent":
            return
        else:
            self._end(used, port, verb)

    def _end(self, used: socket.socket, port: int, verb: str) -> None:
        if verb == "shut":
            used.shutdown(socket.SHUT_WR)
            return
        if verb == "abort":
            used.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sockets.pop(port).close()

    def _receive(self, used: socket.socket, octets: int) -> bytes | None:
        """What `recv` gives, or None if it would block for long."""
        if not select.select([used], [], [], _PATIENCE_S)[0]:
            return None
        return used.recv(octets)

    def _read(self, used: socket.socket, port: int, words: list[str]) -> None:
        if words == ["nothing"]:
            try:
                if used.recv(1, socket.MSG_PEEK):
                    raise Differs("octets to read")
            except (BlockingIOError, ConnectionError):
                pass
            return
        start = self.received[port]
        data = words[0][1:-1].encode() if words[0].startswith('"') else pattern(start, int(words[0]))
        got = b""
        while len(got) < len(data) and (piece := self._receive(used, len(data) - len(got))):
            got += piece
        self.received[port] += len(got)
        if got != data:
            raise Differs(f"{len(got)} octets to read")

    def _error(self, used: socket.socket, name: str) -> None:
        error = 0
        end = time.monotonic() + _PATIENCE_S
        while not error and time.monotonic() < end:
            error = used.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            time.sleep(0.005)
        if errno.errorcode.get(error, "none") != name:
            raise Differs(f"the error is {errno.errorcode.get(error, 'none')}")

    def _icmp(self, connection: Connection, words: list[str]) -> None:
        said = dict(zip(words[1::2], map(int, words[2::2]), strict=True))
        number = (connection.our_isn + said.get("seq", int(not connection.active))) & 0xFFFFFFFF
        key = connection.key()
        quoted = _ip(6, SERVER, CLIENT, 1480) + key[10:12] + key[8:10] + number.to_bytes(4, "big")
        code = _ICMP.get(words[0], _TOO_BIG)
        message = bytes((3, code, 0, 0)) + said.get("mtu", 0).to_bytes(4, "big") + quoted
        sum_ = ~Memory(message).sum(0, len(message), 0) & 0xFFFF
        self._send_packet(1, CLIENT, SERVER, message[:2] + sum_.to_bytes(2, "big") + message[4:])

    def _send_packet(self, protocol: int, source: bytes, target: bytes, octets: bytes) -> None:
        packet = _ip(protocol, source, target, len(octets)) + octets
        os.write(self.tap, _VNET + _MAC + _PEER_MAC + b"\x08\x00" + packet)


def _set_option(used: socket.socket, name: str, value: int) -> None:
    if name == "keepalive":
        used.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, value)
    else:
        used.setsockopt(socket.IPPROTO_TCP, _OPTIONS[name], value)


def _ip(protocol: int, source: bytes, target: bytes, octets: int) -> bytes:
    head = bytes((0x45, 0)) + (20 + octets).to_bytes(2, "big") + bytes((0, 0, 0x40, 0, 64, protocol, 0, 0))
    head += source + target
    return head[:10] + (~Memory(head).sum(0, 20, 0) & 0xFFFF).to_bytes(2, "big") + head[12:]


def ask(script: Script) -> str:
    """What Linux does otherwise, or ""."""
    machine = KernelMachine(script)
    try:
        run(script, machine)
    except Differs as wrong:
        return str(wrong)
    except OSError as wrong:
        return f"{script.path.name}: the kernel says {wrong}"
    finally:
        machine.close()
    return ""


def main(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", show_default=False)] = None,
    all_: Annotated[bool, typer.Option("--all", help="Scripts that say how Linux differs, too.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Transcripts of what differs as declared, too.")] = False,
) -> None:
    """Run scripts against the Linux kernel; 0 when it agrees wherever no script says that it may differ."""
    asked = Counter[str]()
    for path in files or sorted(HERE.glob("*.seg")):
        script = read_script(path)
        if script.lasts_us > LONGEST_US:
            asked["too long"] += 1
            continue
        if script.linux and not all_:
            asked["declared to differ"] += 1
            continue
        wrong = ask(script)
        if wrong and (verbose or not script.linux):
            print(wrong, file=sys.stderr)
        if script.linux:
            asked["differs as declared" if wrong else "declared to differ, but agrees"] += 1
            print(f"{path.stem}: {'differs' if wrong else 'agrees'}: {script.linux}")
        else:
            asked["differs" if wrong else "agrees"] += 1
    print(", ".join(f"{count} {what}" for what, count in asked.items()))
    raise typer.Exit(1 if asked["differs"] else 0)


if __name__ == "__main__":
    typer.run(main)
