"""Linux against Linux through the very link of a driver: what a bad network costs a kernel, for comparison.

Two network namespaces, a TAP in each, and between them `nic/impair.py` in this process. Run in a namespace of its own;
the far end is a process that makes the other one, passes its TAP over stdin, and serves the transfer on kernel sockets.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from typing import Any

from neatctl.apps.transfer import PIECE_OCTETS, Exchange
from neatctl.core.channel.records import MAX_FRAME, VNET_OCTETS
from neatctl.core.native import Memory, now_us
from neatctl.nic.counters import Counters
from neatctl.nic.devices.face import WOULD_BLOCK
from neatctl.nic.devices.tap import Tap, open_tap
from neatctl.nic.impair import ImpairedDevice, Impairment
from neatctl.testbed.soak.kernel_client import choose_cubic

NEAR, FAR, PORT = "10.77.0.1", "10.77.0.2", 9000
_MODULE = "neatctl.testbed.soak.linux_wire"
_NAME = "neatsoak0"
_IDLE_US = 100_000


def near(arguments: list[str]) -> int:
    """IMPAIRMENT OCTETS SEED STALL_S: run the transfer; its client prints what it saw (kernel_client.Said)."""
    impairment, octets, seed, stall_s = arguments
    device = _end(NEAR)
    ours, theirs = socket.socketpair()
    argv = ["unshare", "-n", sys.executable, "-m", _MODULE, "far"]
    with subprocess.Popen(argv, stdin=theirs.fileno(), start_new_session=True) as far_end:
        try:
            theirs.close()
            _, fds, _, _ = socket.recv_fds(ours, 1, 1)
            if not fds:
                return 1
            link = ImpairedDevice(Tap(fds[0]), Counters())
            link.become(Impairment(impairment, int(seed)))
            module = ["-m", "neatctl.testbed.soak.kernel_client", FAR, str(PORT), octets, seed, stall_s]
            with subprocess.Popen([sys.executable, *module]) as client:
                try:
                    carry(device, link, client)
                    return client.wait()
                finally:
                    client.kill()
        finally:
            far_end.kill()


def carry(device: Tap, link: ImpairedDevice, client: subprocess.Popen[bytes]) -> None:
    """Carry frames both ways until the client has ended. Frames that a TAP has no room for are lost."""
    memory = Memory(bytearray(VNET_OCTETS + MAX_FRAME))
    while client.poll() is None:
        for _ in range(1000):
            moved = link.carry(now_us())
            while (octets := device.read(memory, 0)) >= 0:
                moved += 1
                if link.write(memory, 0, octets) == WOULD_BLOCK:
                    break
            while (octets := link.read(memory, 0)) >= 0:
                moved += 1
                device.write(memory, 0, octets)
            if not moved:
                break
        due = link.deadline()
        sleep_us = min(max(due - now_us(), 0), _IDLE_US) if due >= 0 else _IDLE_US
        select.select([device, link], [], [], sleep_us / 1e6)


def far() -> int:
    """The other end: serves one connection, and ends with the near end."""
    device = _end(FAR)
    with socket.socket(fileno=os.dup(0)) as parent:
        with socket.create_server((FAR, PORT)) as listening:
            choose_cubic(listening)
            socket.send_fds(parent, [b"\0"], [device.fileno()])
            if parent in select.select([listening, parent], [], [])[0]:
                return 1
            sock, _ = listening.accept()
        sock.setblocking(False)
        exchange = Exchange(sock)  # type: ignore[arg-type]
        more = True
        while more:
            sending: Any = exchange.sending
            reading = [parent] if exchange.done else [parent, sock]
            if parent in select.select(reading, [sock] if sending is not None and sending.part else [], [])[0]:
                return 1
            try:
                octets = b"" if exchange.done else sock.recv(4 * PIECE_OCTETS)
                if not exchange.done and (not octets or not exchange.take(octets)):
                    return 1
            except BlockingIOError:
                pass
            more = exchange.give()
        sock.close()
        # The kernel still has octets to send, through the device.
        select.select([parent], [], [])
    return 0


def _end(address: str) -> Tap:
    """A TAP with this address in this namespace."""
    device = Tap(open_tap(_NAME, segmentation_offload=False))
    for command in (f"addr add {address}/24 dev {_NAME}", f"link set {_NAME} up mtu 1500", "link set lo up"):
        subprocess.run(["ip", *command.split()], check=True)
    return device


def command(impairment: str, octets: int, seed: int, stall_s: float) -> list[str]:
    """The command line of a process with namespaces of its own."""
    unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    asked = [impairment, str(octets), str(seed), str(stall_s)]
    return [*unshare, sys.executable, "-m", _MODULE, "near", *asked]


if __name__ == "__main__":
    sys.exit(near(sys.argv[2:]) if sys.argv[1] == "near" else far())
