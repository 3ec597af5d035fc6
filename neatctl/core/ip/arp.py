"""ARP: who has an IPv4 address, that we have ours, and whether somebody else claims it.

RFC 826, RFC 1122 section 2.3.2, RFC 5227. The operator gave the address and it serves at once: a replica probes for
it while it is used already, and defends it for ever (RFC 5227 section 2.4 c), at most every ten seconds.
Frames come in as octets in a Memory, those to send are appended to `out`. Knows nothing of IP beyond addresses.
"""

from __future__ import annotations

from neatctl.core.channel.records import FRAME_AT
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.neighbours import NEVER, NeighbourCache
from neatctl.core.native import Memory

ARP_OCTETS = 28
_BROADCAST = b"\xff" * 6
_NOBODY = b"\0" * 6
_NOWHERE = b"\0" * 4
_REQUEST, _REPLY = 1, 2
_ARP_HEAD = b"\x00\x01\x08\x00\x06\x04"
_ETHERTYPE_ARP = b"\x08\x06"
_FRESH_US = 60_000_000
"""RFC 1122 section 2.3.2.1."""
_DEFEND_US = 10_000_000
"""DEFEND_INTERVAL (RFC 5227 section 1.1)."""
_PROBE, _ANNOUNCEMENT = "probe", "announcement"


class Arp(NeighbourCache):
    """ARP of one interface."""

    def __init__(self, address: bytes, mac: bytes, counters: IpCounters, out: list[bytes]) -> None:
        super().__init__(counters, out, _FRESH_US, 0)
        self._address = address
        self._mac = mac
        self._defended_us = -NEVER
        self._owed: list[str] = []
        """What is to be sent, one each second."""

    def attached(self, first: bool) -> None:
        """There is a link: announce the address twice; `first`: nobody of this boot used it before, so probe for it."""
        self._owed = [_PROBE, _PROBE, _ANNOUNCEMENT] if first else ["", _ANNOUNCEMENT]
        if first:
            self._send_probe()
        self._announce()

    def expire(self, now: int) -> None:
        """Once a second."""
        super().expire(now)
        if self._owed:
            what = self._owed.pop(0)
            if what == _PROBE:
                self._send_probe()
            elif what == _ANNOUNCEMENT:
                self._announce()

    def arrive(self, memory: Memory, at: int, octets: int, now: int) -> None:
        """An ARP packet, `at` its first octet."""
        self.counters.arp_in += 1
        if octets < ARP_OCTETS or memory.bytes(at, 6) != _ARP_HEAD:
            self.counters.drop_arp += 1
            return
        operation = memory.get16(at + 6)
        sender_mac, sender = memory.bytes(at + 8, 6), memory.bytes(at + 14, 4)
        target = memory.bytes(at + 24, 4)
        unsound = sender_mac[0] & 1 or sender_mac in (_NOBODY, self._mac)
        if unsound or operation not in (_REQUEST, _REPLY):
            self.counters.drop_arp += 1
            return
        if sender == self._address:
            self._conflict(now)
            return
        if sender != _NOWHERE:
            for_us = target == self._address
            self.learn(sender, sender_mac, now, only_known=not for_us, answer=for_us and operation == _REPLY)
        if operation == _REQUEST and target == self._address:
            # To a probe (RFC 5227) this is the answer that defends the address.
            self._send(_REPLY, sender_mac, sender_mac, sender, self._address)

    def _conflict(self, now: int) -> None:
        """Somebody else says that our address is his."""
        self.counters.address_conflicts += 1
        if now - self._defended_us >= _DEFEND_US:
            self._defended_us = now
            self._announce()

    def solicit(self, address: bytes, mac: bytes) -> None:
        self._send(_REQUEST, mac or _BROADCAST, _NOBODY, address, self._address)

    def _announce(self) -> None:
        """A gratuitous ARP: this address is here (RFC 5227 section 3)."""
        self._send(_REQUEST, _BROADCAST, _NOBODY, self._address, self._address)

    def _send_probe(self) -> None:
        self._send(_REQUEST, _BROADCAST, _NOBODY, self._address, _NOWHERE)

    def _send(self, operation: int, to: bytes, target_mac: bytes, target: bytes, sender: bytes) -> None:
        self.counters.arp_out += 1
        head = bytes(FRAME_AT) + to + self._mac + _ETHERTYPE_ARP + _ARP_HEAD + operation.to_bytes(2, "big")
        self.out.append(head + self._mac + sender + target_mac + target)
