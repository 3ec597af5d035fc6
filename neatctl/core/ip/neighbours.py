"""Who is on the link: ARP (RFC 826, RFC 1122 section 2.3.2), a bounded cache, and what waits for an answer.

Pure: frames come in as octets in a Memory, frames to send are appended to `out`, records as they go into the NIC
queue. Knows nothing of IP beyond addresses.
"""

from __future__ import annotations

from neatctl.core.channel.records import FRAME_AT
from neatctl.core.ip.counters import IpCounters
from neatctl.core.native import Memory

ARP_OCTETS = 28
_ETHERNET = 14
_BROADCAST = b"\xff" * 6
_NOBODY = b"\0" * 6
_REQUEST, _REPLY = 1, 2
_ARP_HEAD = b"\x00\x01\x08\x00\x06\x04"
_ETHERTYPE_ARP = b"\x08\x06"
_RETRY_US = 1_000_000
_ATTEMPTS = 3
_FRESH_US = 60_000_000
"""An entry in use is asked for again when it is older (RFC 1122 section 2.3.2.1)."""
_MAX_NEIGHBOURS = 4096
_MAX_HELD = 16
NEVER = 1 << 62


class Neighbour:
    """A station on the link. `mac` is b"" until it is known."""

    def __init__(self, address: bytes) -> None:
        self.address = address
        self.mac = b""
        self.confirmed_us = 0
        self.attempts = 0
        """How often the open question was asked; 0 while there is none."""
        self.asked_us = -NEVER
        self.ask_us = NEVER
        """When to ask, or to ask again."""
        self.held: list[bytes] = []


class Neighbours:
    """The cache of one interface."""

    def __init__(self, address: bytes, mac: bytes, counters: IpCounters) -> None:
        self._address = address
        self._mac = mac
        self._counters = counters
        self._table: dict[bytes, Neighbour] = {}
        self.out: list[bytes] = []
        """Records to send, oldest first."""

    def neighbour(self, address: bytes) -> Neighbour:
        """The entry for an address, made if there is none; the oldest goes when the table is full."""
        found = self._table.get(address)
        if found is None:
            if len(self._table) >= _MAX_NEIGHBOURS:
                self._counters.drop_unresolved += len(self._table.pop(next(iter(self._table))).held)
            found = self._table[address] = Neighbour(address)
        return found

    def hold(self, neighbour: Neighbour, record: bytes, now: int) -> None:
        """Keep a record until the neighbour is known, and ask for it."""
        self._table[neighbour.address] = neighbour
        if len(neighbour.held) >= _MAX_HELD:
            neighbour.held.pop(0)
            self._counters.drop_unresolved += 1
        neighbour.held.append(record)
        self._counters.held += 1
        if not neighbour.attempts:
            self._ask(neighbour, _BROADCAST, now)

    def learn(self, address: bytes, mac: bytes, now: int, only_known: bool = False, answer: bool = False) -> None:
        """An address belongs to a station; what waited for it goes out. That it moved to another station is believed
        only of an answer to an open question, and asked once more a while later: garbage does not answer twice."""
        if only_known and address not in self._table:
            return
        neighbour = self.neighbour(address)
        moved = neighbour.mac != b"" and neighbour.mac != mac
        if moved and not (answer and neighbour.attempts):
            self.doubt(neighbour, now)
            return
        if moved or neighbour.attempts:
            neighbour.attempts = 0
            neighbour.ask_us = now + _RETRY_US if moved else NEVER
        if neighbour.mac != mac:
            neighbour.mac = mac
        neighbour.confirmed_us = now
        for record in neighbour.held:
            self.out.append(record[:FRAME_AT] + mac + record[FRAME_AT + 6 :])
        neighbour.held.clear()

    def doubt(self, neighbour: Neighbour, now: int) -> None:
        """Somebody else claims its address: ask everybody, but not more than once in _RETRY_US."""
        if neighbour.ask_us != NEVER:
            return
        if now - neighbour.asked_us >= _RETRY_US:
            self._ask(neighbour, _BROADCAST, now)
        else:
            neighbour.ask_us = neighbour.asked_us + _RETRY_US

    def arrive(self, memory: Memory, at: int, octets: int, now: int) -> None:
        """An ARP packet, `at` its first octet."""
        self._counters.arp_in += 1
        if octets < ARP_OCTETS or memory.bytes(at, 6) != _ARP_HEAD:
            self._counters.drop_arp += 1
            return
        operation = memory.get16(at + 6)
        sender_mac, sender = memory.bytes(at + 8, 6), memory.bytes(at + 14, 4)
        target = memory.bytes(at + 24, 4)
        if sender_mac[0] & 1 or sender_mac == _NOBODY or sender == self._address or operation not in (_REQUEST, _REPLY):
            self._counters.drop_arp += 1
            return
        if sender != b"\0\0\0\0":
            for_us = target == self._address
            self.learn(sender, sender_mac, now, only_known=not for_us, answer=for_us and operation == _REPLY)
        if operation == _REQUEST and target == self._address:
            self._send(_REPLY, sender_mac, sender_mac, sender)

    def expire(self, now: int) -> None:
        """Ask again, give up, and refresh what is old."""
        for neighbour in list(self._table.values()):
            if neighbour.ask_us <= now:
                if neighbour.attempts >= _ATTEMPTS:
                    self._counters.drop_unresolved += len(neighbour.held)
                    neighbour.held.clear()
                    neighbour.mac = b""
                    neighbour.attempts = 0
                    neighbour.ask_us = NEVER
                else:
                    self._ask(neighbour, _BROADCAST, now)
            elif neighbour.ask_us == NEVER and neighbour.mac and now - neighbour.confirmed_us > _FRESH_US:
                self._ask(neighbour, neighbour.mac, now)

    def announce(self) -> None:
        """A gratuitous ARP: this address is here (RFC 5227 section 3)."""
        self._send(_REQUEST, _BROADCAST, _NOBODY, self._address)

    def _ask(self, neighbour: Neighbour, to: bytes, now: int) -> None:
        neighbour.attempts += 1
        neighbour.asked_us = now
        neighbour.ask_us = now + _RETRY_US
        self._send(_REQUEST, to, _NOBODY, neighbour.address)

    def _send(self, operation: int, to: bytes, target_mac: bytes, target: bytes) -> None:
        self._counters.arp_out += 1
        head = bytes(FRAME_AT) + to + self._mac + _ETHERTYPE_ARP + _ARP_HEAD + operation.to_bytes(2, "big")
        self.out.append(head + self._mac + self._address + target_mac + target)
