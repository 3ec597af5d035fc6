"""Where the later fragments of a datagram go: to the replica of its first one (RFC 791 section 2.3).

Only a first fragment has ports. What it was steered to is remembered under addresses, protocol and
identification, in a table of fixed size, for as long as a receiver would reassemble. A fragment that
comes before its first one finds nothing here; without ports in its protocol it needs nothing. Knows no flows.
"""

from __future__ import annotations

from neatctl.core.native import Memory
from neatctl.nic.flow_key import FlowKey

LIFETIME_US = 60_000_000
"""As long as replicas wait for the fragments of a datagram (RFC 1122 section 3.3.2, RFC 8200 section 4.5)."""
DATAGRAMS = 1024
"""Datagrams remembered; a newer one takes the place of an older one of the same place."""

_SLOT = 48
_REPLICA_AT = 8
_PROTOCOL_AT = 10
_OCTETS_AT = 11
_ID_AT = 12
_ADDRESSES_AT = 16
_DATAGRAMS = DATAGRAMS
_IPV4_ADDRESSES = 8
"""In IPv6 addresses and identification alone name a datagram (RFC 8200 section 4.5)."""
_LIFETIME_US = LIFETIME_US


class Fragments:
    """The table. `hashed` is the RSS hash of the addresses of the fragment that `key` read."""

    def __init__(self) -> None:
        self._memory = Memory(bytearray(DATAGRAMS * _SLOT))

    def _place(self, key: FlowKey, hashed: int) -> int:
        # Datagrams of one pair of hosts differ in the identification, which mostly counts up.
        return (hashed + key.fragment_id & _DATAGRAMS - 1) * _SLOT

    def remember(self, key: FlowKey, addresses: int, hashed: int, replica: int, now: int) -> None:
        """The first fragment went to this replica; `addresses` is how many octets of the key are addresses."""
        memory = self._memory
        at = self._place(key, hashed)
        memory.store64(at, now)
        memory.put16h(at + _REPLICA_AT, replica)
        memory.put8(at + _PROTOCOL_AT, key.protocol if addresses == _IPV4_ADDRESSES else 0)
        memory.put8(at + _OCTETS_AT, addresses)
        memory.put32h(at + _ID_AT, key.fragment_id)
        memory.copy(at + _ADDRESSES_AT, key.memory, 0, addresses)

    def find(self, key: FlowKey, hashed: int, now: int) -> int:
        """The replica for a later fragment, or 0."""
        memory = self._memory
        at = self._place(key, hashed)
        if (
            memory.get8(at + _OCTETS_AT) != key.octets
            or memory.get8(at + _PROTOCOL_AT) != (key.protocol if key.octets == _IPV4_ADDRESSES else 0)
            or memory.get32h(at + _ID_AT) != key.fragment_id
            or now - memory.load64(at) > _LIFETIME_US
            or not memory.equal(at + _ADDRESSES_AT, key.memory, 0, key.octets)
        ):
            return 0
        return memory.get16h(at + _REPLICA_AT)
