"""Sends prepared frames when they are due, and answers the stack's questions for recorded neighbours meanwhile.

`Pacing` turns the times of a capture into times on the monotonic clock: recorded, scaled, or all at once. Frames that
are due together leave in one system call; between them the process sleeps. How late each left is counted.
"""

from __future__ import annotations

from neatctl.apps.load.counts import Counts
from neatctl.core.native import Memory
from neatctl.nic.clock import now_ns
from neatctl.nic.devices.packet_socket import PacketSocket
from neatctl.nic.devices.pcap import PLACE_OCTETS

BURST = 64
"""Frames that leave in one go."""
_PLACE = PLACE_OCTETS
_BURST = BURST
_LONGEST_NS = 1 << 52
"""The longest replay: 52 days. Times further off are cut to it."""
_ARP_EVERY = 16
_BEHIND_NS = 100_000
"""How long nothing is sent at full speed when the driver's queue is full: the driver may need this very core."""
_PATIENCE_NS = 1_000_000_000
"""A full queue from which nobody takes for so long is not waited for any more: what finds it full is lost."""


class Pacing:
    """When frames are due: `numerator / denominator` times as fast as recorded; at once for a numerator of 0. Time
    never goes backwards, and a frame without a time (0) is due with the one before."""

    def __init__(self, numerator: int, denominator: int = 1) -> None:
        self.at_once = numerator == 0
        self._numerator = numerator if numerator else 1
        self._denominator = denominator
        self._first_ns = -1
        self._last = 0

    def schedule(self, places: Memory, count: int) -> None:
        """Replace the times of so many frames by nanoseconds after the first frame of all."""
        for i in range(count):
            place = i * _PLACE + 24
            if self.at_once:
                places.store64(place, 0)
                continue
            time_ns = places.load64(place)
            if time_ns > 0:
                if self._first_ns < 0:
                    self._first_ns = time_ns
                passed = time_ns - self._first_ns
                if passed > _LONGEST_NS:
                    passed = _LONGEST_NS
                # In two steps, so that no product exceeds 63 bits.
                due = passed // self._numerator * self._denominator
                due += passed % self._numerator * self._denominator // self._numerator
                if due > self._last:
                    self._last = due
            places.store64(place, self._last)

    def due(self, places: Memory, first: int, count: int, passed_ns: int) -> int:
        """How many of the frames from `first` on are due so long after the begin, at most BURST."""
        ready = 0
        most = min(count, _BURST)
        while ready < most and places.load64((first + ready) * _PLACE + 24) <= passed_ns:
            ready += 1
        return ready


class Player:
    """Plays through one packet socket that receives ARP; answers the appliance's questions for any address in the
    clients' network but those of the appliance and of the kernel."""

    def __init__(self, link: PacketSocket, pacing: Pacing, network: Network) -> None:
        self.lateness = Counts()
        """Microseconds; less than one counts as one."""
        self.arp_answered = 0
        self.begun_ns = -1
        self._link = link
        self._pacing = pacing
        self._network = network
        self._question = Memory(bytearray(128))
        self._turns = 0
        self._stuck_ns = -1
        """Since when nothing went, -1 when something did."""

    def play(self, memory: Memory, places: Memory, first: int, count: int, slice_ns: int) -> int:
        """Send what is due of `count` frames from `first` on (places as the Rewriter's, scheduled), for at most so
        long; how many are done. OSError when the link is down."""
        now = now_ns()
        end = now + slice_ns
        if self.begun_ns < 0:
            self.begun_ns = now
        done = 0
        while done < count:
            now = now_ns()
            passed = now - self.begun_ns
            ready = self._pacing.due(places, first + done, count - done, passed)
            if ready:
                if self._pacing.at_once:
                    done += self._push(memory, places, first + done, ready, now)
                else:
                    for i in range(ready):
                        self.lateness.record((passed - places.load64((first + done + i) * _PLACE + 24)) // 1000)
                    self._link.send_batch(memory, places, first + done, ready)
                    done += ready
                self._turns += 1
                if self._turns % _ARP_EVERY == 0:
                    self.hear()
            else:
                pause = places.load64((first + done) * _PLACE + 24) - passed
                if now >= end:
                    break
                if self._link.wait(min(pause, end - now)):
                    self.hear()
            if now >= end:
                break
        return done

    def _push(self, memory: Memory, places: Memory, first: int, count: int, now: int) -> int:
        """Send as much as the driver's queue has room for, and wait a little when it is full; how many are done."""
        sent = self._link.send_while_room(memory, places, first, count)
        if sent == count:
            self._stuck_ns = -1
            return count
        if sent or self._stuck_ns < 0:
            self._stuck_ns = now
        if now - self._stuck_ns > _PATIENCE_NS:
            self._link.send_batch(memory, places, first + sent, count - sent)
            return count
        if self._link.wait(_BEHIND_NS):
            self.hear()
        return sent

    def rest(self, timeout_ns: int) -> None:
        """Only answer questions, for so long."""
        end = now_ns() + timeout_ns
        while (left := end - now_ns()) > 0:
            if self._link.wait(left):
                self.hear()

    def hear(self) -> int:
        """Answer the ARP requests that came; how many."""
        answered = 0
        while (octets := self._link.receive(self._question, 0, 128)) >= 0:
            if octets >= 42 and self._network.answer(self._question, self._link.mac):
                self._link.send(self._question, 0, 42)
                answered += 1
        self.arp_answered += answered
        return answered


class Network:
    """The clients' network as ARP sees it. Addresses are numbers of 32 bits."""

    def __init__(self, appliance: int, client: int, prefix_length: int) -> None:
        self.appliance = appliance
        self.client = client
        self.mask = 0xFFFFFFFF << (32 - prefix_length) & 0xFFFFFFFF

    def free(self, taken: int = 0) -> int:
        """The highest address that nobody has, `taken` among them; 0 if there is none."""
        low, high = self.appliance & self.mask, self.appliance | ~self.mask & 0xFFFFFFFF
        for address in range(high - 1, low, -1):
            if address not in (self.appliance, self.client, taken):
                return address
        return 0

    def answer(self, frame: Memory, mac: bytes) -> bool:
        """Turn the appliance's ARP request for a recorded neighbour into its answer (RFC 826); False for others."""
        if frame.get16(12) != 0x0806 or frame.get16(20) != 1 or frame.get32(28) != self.appliance:
            return False
        wanted = frame.get32(38)
        if wanted & self.mask != self.appliance & self.mask or wanted in (self.appliance, self.client):
            return False
        asker = frame.bytes(22, 6)
        frame.put(0, asker + mac)
        frame.put16(20, 2)
        frame.put(22, mac)
        frame.put32(28, wanted)
        frame.put(32, asker)
        frame.put32(38, self.appliance)
        return True
