"""The process that sends a live replay, on the clients' side: `python -m neatctl.testbed.replay.sender JSON`.

It enters the clients' namespace, reads the capture, rewrites its frames and plays them onto the clients' end of the
link. A line of JSON on stdout each 100 ms says how far it is, the last one what came of it. SIGTERM ends it in order.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from neatctl.nic.clock import exact_timers
from neatctl.nic.devices.packet_socket import PacketSocket, tx_dropped
from neatctl.nic.devices.pcap import BadCapture
from neatctl.nic.replay import LINKS
from neatctl.testbed.make_network import DEVICE
from neatctl.testbed.network import enter_client_side
from neatctl.testbed.replay.capture_file import BadFilter, CaptureFile, open_capture
from neatctl.testbed.replay.player import Network, Pacing, Player
from neatctl.testbed.replay.rewrite import BATCH, Rewriter

_ARP = 0x0806
_SLICE_NS = 50_000_000
_TELL_S = 0.1
_SETTLE_NS = 300_000_000


class Order(msgspec.Struct, frozen=True):
    """What to send, and where. Addresses are numbers of 32 bits."""

    file: str
    """"": stdin, a pipe."""
    expression: str
    netns: str
    supervisor_pid: int
    servers: list[int]
    """None: all IPv4 frames."""
    appliance: int
    client: int
    prefix_length: int
    mac: str
    """The appliance's, in hexadecimal."""
    numerator: int
    """Of the speed; 0: as fast as possible."""
    denominator: int


class Sent(msgspec.Struct):
    """How far it is, and (`done`) what came of it."""

    frames: int = 0
    """Of the file."""
    sent: int = 0
    octets_read: int = 0
    done: bool = False
    error: str = ""
    """Why nothing could be sent any more."""
    bad: str = ""
    """Where the file stopped making sense."""
    passed_over: int = 0
    not_sent: dict[str, int] = {}
    arp: int = 0
    moved: int = 0
    truncated: int = 0
    cut: bool = False
    no_room: int = 0
    """What the kernel said of its queue to the driver; `lost` counts what it did."""
    lost: int = 0
    arp_answered: int = 0
    seconds: float = 0.0
    """From the first frame to the last."""
    lateness_us: list[tuple[int, int]] = []
    """Values and how often, in order; empty when there was no schedule."""
    interrupted: bool = False
    forwards: bool = False
    """The clients' kernel forwards packets: what the stack sends to recorded addresses may leave it."""


class _Stopping:
    """SIGTERM ends the replay after the current slice."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


def send(order: Order) -> Iterator[Sent]:
    """Do it; the state from time to time, and at the end."""
    stopping = _Stopping()
    try:
        enter_client_side(order.netns, order.supervisor_pid)
        link = PacketSocket(DEVICE, _ARP)
    except OSError as error:
        yield Sent(done=True, error=f"the clients' side cannot be entered: {error.strerror}")
        return
    exact_timers()
    said = Sent(forwards=Path("/proc/sys/net/ipv4/ip_forward").read_text(encoding="ascii").strip() == "1")
    network = Network(order.appliance, order.client, order.prefix_length)
    first = network.free()
    moved = {order.client: first, order.appliance: network.free(first) or first} if first else {}
    rewriter = Rewriter(order.servers, order.appliance, bytes.fromhex(order.mac), link.mac, link.mtu + 14, moved)
    pacing = Pacing(order.numerator, order.denominator)
    player = Player(link, pacing, network)
    dropped = tx_dropped(DEVICE)
    last = told = time.monotonic()

    def state() -> Sent:
        said.sent, said.no_room = link.sent - player.arp_answered, link.no_room
        # The kernel counts a frame for each time that it had no room for it, those that went later too.
        said.lost = max(tx_dropped(DEVICE) - dropped - link.held, link.no_room)
        said.not_sent = _not_sent(rewriter, link)
        said.arp, said.moved, said.truncated = rewriter.arp, rewriter.moved, rewriter.truncated
        said.arp_answered, said.interrupted = player.arp_answered, stopping.asked
        said.seconds = round(last - player.begun_ns / 1e9, 6) if player.begun_ns >= 0 else 0.0
        return said

    try:
        with open_capture(Path(order.file) if order.file else 0, order.expression) as file:
            while not stopping.asked and _read(file, said):
                front = LINKS.get(file.capture.link)
                if front is None:
                    rewriter.skip(file.count)
                    continue
                for at in range(0, file.count, BATCH):
                    window = file.capture.memory
                    count = min(BATCH, file.count - at)
                    ready = rewriter.prepare(window, file.places, at, count, file.capture.link, front)
                    pacing.schedule(rewriter.places, ready)
                    done = 0
                    while done < ready and not stopping.asked:
                        done += player.play(rewriter.out, rewriter.places, done, ready - done, _SLICE_NS)
                        last = time.monotonic()
                        if last - told >= _TELL_S:
                            told = last
                            yield state()
                    if stopping.asked:
                        break
    except BadCapture as error:
        said.bad = str(error)
    except OSError as error:
        said.error = f"{error.filename or DEVICE}: {error.strerror}"
    player.rest(_SETTLE_NS)
    if not pacing.at_once:
        said.lateness_us = player.lateness.recorded()
    said.done = True
    yield state()


def _not_sent(rewriter: Rewriter, link: PacketSocket) -> dict[str, int]:
    """Frames that were not sent, by why."""
    reasons = rewriter.not_sent()
    if link.too_long:
        reasons["too_long"] = reasons.get("too_long", 0) + link.too_long
    return reasons


def _read(file: CaptureFile, said: Sent) -> bool:
    """The next batch of the file."""
    try:
        more = file.read()
    except (BadCapture, BadFilter) as error:
        said.bad = str(error)
        return False
    said.frames = file.capture.frames
    said.passed_over = file.passed_over
    said.octets_read = file.capture.at
    said.cut = file.capture.cut
    return more


def main() -> None:
    """The process."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    for said in send(order):
        sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
