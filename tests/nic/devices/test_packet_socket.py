"""Frames through a packet socket: over a TAP in a namespace of the test's own, both ways, and what is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.tap

SCRIPT = """
import errno, json, struct, subprocess
from neatctl.core.native import Memory
from neatctl.nic.devices.packet_socket import PacketSocket, tx_dropped
from neatctl.nic.devices.tap import Tap, open_tap

tap = Tap(open_tap("neat0"))
open("/proc/sys/net/ipv6/conf/neat0/disable_ipv6", "w").write("1")
try:
    PacketSocket("neat0").send(Memory(bytes(60)), 0, 60)
except OSError as error:
    down = errno.errorcode[error.errno]
subprocess.run(["ip", "link", "set", "neat0", "up"], check=True)
link = PacketSocket("neat0", 0x88B5)
frames = [bytes(6) + bytes(6) + b"\\x88\\xb5" + bytes([n]) * (46 + n) for n in range(200)]
frames += [bytes(13), bytes(link.mtu + 15), bytes(12) + b"\\x88\\xb5" + bytes(link.mtu)]
memory = Memory(b"".join(frames))
places = bytearray(32 * len(frames))
at = 0
for n, frame in enumerate(frames):
    struct.pack_into("=qq", places, 32 * n, at, len(frame))
    at += len(frame)
went = link.send_batch(memory, Memory(places), 10, len(frames) - 10)
read = Memory(bytearray(70000))
got = []
while (octets := tap.read(read, 0)) > 0:
    got.append(read.bytes(10, octets - 10))
back = link.mac + bytes(6) + b"\\x88\\xb5" + b"back" * 12
waited = link.wait(0)
tap.write(Memory(bytes(10) + back), 0, 10 + len(back))
waited = (waited, link.wait(1_000_000_000))
received = read.bytes(0, link.receive(read, 0, 100)) == back
nothing = link.receive(read, 0, 100)
before = tx_dropped("neat0")
for n in range(12):
    link.send_batch(memory, Memory(places), 0, 200)
lost, sent, no_room, too_long = tx_dropped("neat0") - before, link.sent, link.no_room, link.too_long
while tap.read(read, 0) > 0:
    pass
before = tx_dropped("neat0") - link.held
had, order, done, waits = link.no_room, [], 0, 0
while done < 2000:
    going = min(200 - done % 200, 150)
    went_now = link.send_while_room(memory, Memory(places), done % 200, going)
    done += went_now
    if went_now < going:
        waits += 1
        while (octets := tap.read(read, 0)) > 0:
            order.append(octets - 10)
while (octets := tap.read(read, 0)) > 0:
    order.append(octets - 10)
held = {
    "waits": waits, "held": link.held, "in_order": order == [len(frames[n % 200]) for n in range(2000)],
    "lost": tx_dropped("neat0") - before - link.held + link.no_room - had,
    "long": link.send_while_room(memory, Memory(places), 199, 3),
}
print(json.dumps({
    "held": held,
    "down": down, "went": went, "whole": got == [*frames[10:200], frames[-1]], "too_long": too_long,
    "waited": waited, "received": received, "nothing": nothing, "lost": lost,
    "sent": sent, "no_room": no_room,
}))
"""


@pytest.fixture(scope="module")
def seen() -> Any:
    argv = ["unshare", "-Urn", sys.executable, "-c", SCRIPT]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_batch_goes_whole_and_in_order_but_for_what_the_link_does_not_take(seen: Any) -> None:
    assert seen["whole"]
    assert (seen["went"], seen["too_long"]) == (191, 2)


def test_what_the_other_side_sends_is_received_and_waited_for(seen: Any) -> None:
    assert seen["waited"] == [False, True]
    assert seen["received"]
    assert seen["nothing"] == -1


def test_frames_that_the_queue_has_no_room_for_are_known(seen: Any) -> None:
    assert 0 < seen["lost"] < 2400
    assert seen["sent"] - 191 + seen["no_room"] == 2400
    assert seen["no_room"] <= seen["lost"], "older kernels do not say it of each frame"


def test_a_link_that_is_down_is_an_error(seen: Any) -> None:
    assert seen["down"] == "ENETDOWN"


def test_frames_that_wait_for_room_are_not_lost_and_keep_their_order(seen: Any) -> None:
    held = seen["held"]
    assert held["held"] >= held["waits"] >= 1
    assert held["in_order"]
    assert (held["lost"], held["long"]) == (0, 3)
