"""Who is on the link: a bounded cache of stations, what waits for them, and whether they still answer.

The part that ARP (arp.py) and Neighbour Discovery (discovery.py) share: RFC 4861 sections 7.2 and 7.3, RFC 1122
section 2.3.2. Pure: frames to send are appended to `out`, records as they go into the NIC queue. Knows addresses as
octets, and neither packets nor families.
"""

from __future__ import annotations

from neatctl.core.channel.records import FRAME_AT
from neatctl.core.ip.counters import IpCounters

_RETRY_US = 1_000_000
_ATTEMPTS = 3
_MAX_NEIGHBOURS = 4096
_MAX_HELD = 16
NEVER = 1 << 62


class Neighbour:
    """A station on the link. `mac` is b"" until it is known."""

    def __init__(self, address: bytes) -> None:
        self.address = address
        self.mac = b""
        """Another object, though equal, once it is stale: who keeps it (Path) then looks here again."""
        self.confirmed_us = 0
        self.attempts = 0
        """How often the open question was asked; 0 while there is none."""
        self.asked_us = -NEVER
        self.ask_us = NEVER
        """When to ask, or to ask again."""
        self.probing = False
        """The open question goes to the station alone."""
        self.stale = False
        """Nothing was heard of it for long; asked for when somebody sends to it."""
        self.used = False
        """Somebody sent to it since it is stale."""
        self.held: list[bytes] = []


class NeighbourCache:
    """The cache of one family on one interface. `fresh_us`: how long an answer is believed; `delay_us`: how long a
    stale station may be sent to before it is asked."""

    def __init__(self, counters: IpCounters, out: list[bytes], fresh_us: int, delay_us: int) -> None:
        self.counters = counters
        self.table: dict[bytes, Neighbour] = {}
        self.out = out
        """Records to send, oldest first."""
        self.fresh_us = fresh_us
        self.delay_us = delay_us
        self.retry_us = _RETRY_US

    def solicit(self, address: bytes, mac: bytes) -> None:
        """Ask who has this address: the station with this MAC, or everybody (b"")."""
        raise NotImplementedError

    def gave_up(self, neighbour: Neighbour) -> None:
        """It did not answer."""

    def neighbour(self, address: bytes) -> Neighbour:
        """The entry for an address, made if there is none; the oldest goes when the table is full."""
        found = self.table.get(address)
        if found is None:
            if len(self.table) >= _MAX_NEIGHBOURS:
                self.counters.drop_unresolved += len(self.table.pop(next(iter(self.table))).held)
            found = self.table[address] = Neighbour(address)
        return found

    def hold(self, neighbour: Neighbour, record: bytes, now: int) -> None:
        """Keep a record until the neighbour is known, and ask for it."""
        self.table[neighbour.address] = neighbour
        if len(neighbour.held) >= _MAX_HELD:
            neighbour.held.pop(0)
            self.counters.drop_unresolved += 1
        neighbour.held.append(record)
        self.counters.held += 1
        if not neighbour.attempts:
            neighbour.probing = False
            self._ask(neighbour, now)

    def learn(
        self, address: bytes, mac: bytes, now: int, only_known: bool = False, answer: bool = False, stale: bool = False
    ) -> None:
        """An address belongs to a station; what waited for it goes out. That it moved to another station is believed
        only of an answer to an open question, and asked once more a while later: garbage does not answer twice.
        `stale`: it was said unasked, so it is asked for as soon as somebody sends to it."""
        if only_known and address not in self.table:
            return
        neighbour = self.neighbour(address)
        moved = neighbour.mac != b"" and neighbour.mac != mac
        if moved and not (answer and neighbour.attempts):
            self.doubt(neighbour, now)
            return
        if stale and neighbour.mac:
            return
        if moved or neighbour.attempts:
            neighbour.attempts = 0
            neighbour.ask_us = now + self.retry_us if moved else NEVER
            neighbour.probing = False
        if neighbour.mac != mac:
            neighbour.mac = mac
        neighbour.stale = neighbour.used = stale
        if not stale:
            neighbour.confirmed_us = now
        for record in neighbour.held:
            self.out.append(record[:FRAME_AT] + mac + record[FRAME_AT + 6 :])
        neighbour.held.clear()

    def doubt(self, neighbour: Neighbour, now: int) -> None:
        """Somebody else claims its address, or it does not answer: ask everybody, but not more than once in a while."""
        if neighbour.ask_us != NEVER and not neighbour.probing:
            return
        neighbour.probing = False
        if now - neighbour.asked_us >= self.retry_us:
            self._ask(neighbour, now)
        else:
            neighbour.ask_us = neighbour.asked_us + self.retry_us

    def expire(self, now: int) -> None:
        """Ask again, give up, and ask for those that are stale and in use."""
        for neighbour in list(self.table.values()):
            if neighbour.ask_us <= now:
                if neighbour.attempts >= _ATTEMPTS:
                    self._give_up(neighbour)
                else:
                    self._ask(neighbour, now)
            elif neighbour.ask_us == NEVER and neighbour.mac:
                self._age(neighbour, now)

    def _age(self, neighbour: Neighbour, now: int) -> None:
        if not neighbour.stale and now - neighbour.confirmed_us > self.fresh_us:
            neighbour.stale = True
            neighbour.used = False
            neighbour.mac = bytes(bytearray(neighbour.mac))
        elif neighbour.stale and neighbour.used:
            neighbour.probing = True
            if self.delay_us:
                neighbour.ask_us = now + self.delay_us
            else:
                self._ask(neighbour, now)

    def _give_up(self, neighbour: Neighbour) -> None:
        self.counters.drop_unresolved += len(neighbour.held)
        neighbour.held.clear()
        neighbour.mac = b""
        neighbour.attempts = 0
        neighbour.ask_us = NEVER
        neighbour.stale = neighbour.used = neighbour.probing = False
        self.gave_up(neighbour)

    def _ask(self, neighbour: Neighbour, now: int) -> None:
        neighbour.attempts += 1
        neighbour.asked_us = now
        neighbour.ask_us = now + self.retry_us
        self.solicit(neighbour.address, neighbour.mac if neighbour.probing else b"")
