"""UDP of a replica: datagrams that arrive to the sockets bound to their ports, and those of sockets to IP.

RFC 768, RFC 1122 section 4.1, RFC 8200 section 8.1, RFC 8085. There is no state but which sockets there are, and every
replica has them all (paper section 3.3): a datagram may arrive and leave by any. Nothing waits: what finds no room is
dropped and counted. Records: core/channel/records.py.
"""

from __future__ import annotations

from errno import EMSGSIZE, ENETUNREACH

from neatctl.core.channel.face import PeerFault, Producer
from neatctl.core.channel.records import (
    DATAGRAM,
    MAX_DATAGRAM,
    MAX_ENDS,
    SOCKET_HEADER,
    SOCKET_ID_AT,
    SOCKET_VALUE_AT,
    UNDELIVERED,
)
from neatctl.core.control.config import ReplicaConfig
from neatctl.core.ip.output import UDP, IpOutput, Path
from neatctl.core.local_end import LocalEnd, LocalEnds, parse_address
from neatctl.core.native import Memory
from neatctl.core.tcp.isn import Secrets
from neatctl.core.udp.counters import UdpCounters

_HEADER = 8
_CHECKSUM_AT = 6
_RECORD = SOCKET_HEADER
_ID_AT, _VALUE_AT = SOCKET_ID_AT, SOCKET_VALUE_AT
_LARGEST = SOCKET_HEADER + MAX_ENDS + MAX_DATAGRAM
_DATAGRAM, _UNDELIVERED = DATAGRAM, UNDELIVERED
_MAX_DATAGRAM = MAX_DATAGRAM
_UDP = UDP
_PORTS = 4
_ADDRESS4 = 4
_ENDS4, _ENDS6 = 12, 36
_MOST_OCTETS = 65535


class Bound(LocalEnd):
    """A socket's share in this replica."""

    def __init__(self, number: int, app: int, events: Producer, address: str, port: int) -> None:
        super().__init__(number, *_local(address, port))
        self.app = app
        self.events = events


def _local(address: str, port: int) -> tuple[bytes, int, int]:
    octets, family_octets = parse_address(address)
    return octets, port, family_octets


class UdpLayer:
    """UDP of one replica. Times are microseconds of one monotonic clock."""

    def __init__(self, config: ReplicaConfig, output: IpOutput) -> None:
        self.counters = UdpCounters()
        self._output = output
        self._ends = LocalEnds(Secrets(config.isn_key))
        self._sockets: dict[int, Bound] = {}

    # ---- sockets ----
    def bind(self, number: int, app: int, events: Producer, address: str, port: int) -> None:
        """A socket of an application, `events` being its channel; `address` as for a listener (core/tcp/layer.py). One
        that is there already stays as it is."""
        if number not in self._sockets:
            bound = Bound(number, app, events, address, port)
            self._sockets[number] = bound
            self._ends.enter(bound)

    def unbind(self, number: int) -> None:
        """The socket is closed."""
        bound = self._sockets.pop(number, None)
        if bound is not None:
            self._ends.leave(bound)

    def detach(self, app: int) -> None:
        """An application is gone, and its sockets with it."""
        for bound in [bound for bound in self._sockets.values() if bound.app == app]:
            self.unbind(bound.number)

    # ---- in ----
    def arrive(self, memory: Memory, at: int, octets: int, addresses: int, width: int, checksum_known: bool) -> bool:
        """A datagram: `octets` from its UDP header at `at` on, source and destination (of `width` octets each) at
        `addresses`, its checksum known to be right or not. False if no socket is bound to its port."""
        counters = self.counters
        counters.received += 1
        length = memory.get16(at + 4) if octets >= _HEADER else 0
        if length < _HEADER or length > octets:
            counters.drop_length += 1
            return True
        if memory.get16(at + _CHECKSUM_AT) == 0:
            right = width == _ADDRESS4
        else:
            right = checksum_known
            if not right:
                pseudo = memory.sum(addresses, 2 * width, _UDP + length)
                right = memory.sum(at, length, pseudo) == 0xFFFF
        if not right:
            counters.drop_checksum += 1
            return True
        bound: Bound | None = self._ends.find(memory.bytes(addresses, 2 * width) + memory.bytes(at, _PORTS))  # type: ignore[assignment]
        if bound is None:
            counters.no_port += 1
            return False
        self._deliver(bound, memory, at, length - _HEADER, addresses, width)
        return True

    def _deliver(self, bound: Bound, memory: Memory, at: int, octets: int, addresses: int, width: int) -> None:
        """Hand a datagram over. Room for the largest record stays free for what must not be lost."""
        events = bound.events
        place = events.reserve(_LARGEST)
        if place < 0:
            self.counters.drop_application_full += 1
            return
        ends = _PORTS + 2 * width
        target = events.memory
        target.put32(place, _DATAGRAM << 24)
        target.put32(place + 4, bound.number)
        target.put32(place + 8, ends)
        target.put32(place + 12, 0)
        place += _RECORD
        target.copy(place, memory, at, _PORTS)
        target.copy(place + _PORTS, memory, addresses, 2 * width)
        target.copy(place + ends, memory, at + _HEADER, octets)
        events.commit(_RECORD + ends + octets)
        self.counters.delivered += 1

    def unreachable(self, key: bytes, error: int) -> None:
        """ICMP says that a datagram of ours did not arrive; `key` is that of an answer to it, `error` the errno that
        its socket is told, 0 for none (RFC 1122 section 4.1.3.3)."""
        self.counters.unreachables += 1
        bound: Bound | None = self._ends.find(key)  # type: ignore[assignment]
        if bound is not None and error:
            octets = (len(key) - _PORTS) >> 1
            self._tell(bound, error, 0, key[2 * octets :] + key[: 2 * octets])

    def too_big(self, key: bytes, mtu: int, now: int) -> None:
        """A router takes at most `mtu` octets of what goes this way (RFC 1191, RFC 8201); 0: it does not say."""
        self.counters.unreachables += 1
        if self._ends.find(key) is not None:
            octets = (len(key) - _PORTS) >> 1
            path: Path = self._output.path(key[octets : 2 * octets], key[:octets], now, UDP)
            if mtu < self._output.mtu_of(path, now):
                self._output.narrow(path, mtu, now)

    def _tell(self, bound: Bound, error: int, here: int, ends: bytes) -> None:
        record = bytes((_UNDELIVERED, 0, 0, 0)) + bound.number.to_bytes(4, "big") + error.to_bytes(4, "big")
        place = bound.events.reserve(_LARGEST)
        if place >= 0:
            bound.events.memory.put(place, record + here.to_bytes(4, "big") + ends)
            bound.events.commit(_RECORD + len(ends))

    # ---- out ----
    def command(self, app: int, memory: Memory, at: int, octets: int, now: int) -> None:
        """A SEND_TO record of an application, of `octets` at `at`; PeerFault("record") if it cannot be."""
        ends = memory.get32(at + _VALUE_AT)
        payload = octets - _RECORD - ends
        if (ends != _ENDS4 and ends != _ENDS6) or payload < 0 or payload > _MAX_DATAGRAM:
            raise PeerFault("record", f"SEND_TO of {octets} octets with {ends} of addresses")
        bound: Bound | None = self._sockets.get(memory.get32(at + _ID_AT))
        if bound is None or bound.app != app:
            self.counters.records_late += 1
            return
        at += _RECORD
        width = (ends - _PORTS) >> 1
        remote = memory.bytes(at + _PORTS, width)
        error = EMSGSIZE
        # The largest IP packet is as long in both families, but for IPv6 its header does not count.
        if payload + _HEADER + (20 if width == _ADDRESS4 else 0) <= _MOST_OCTETS:
            try:
                source = self._output.source(remote, memory.bytes(at + _PORTS + width, width))
            except OSError as refused:
                error = refused.errno or ENETUNREACH
            else:
                self._send(bound, self._output.path(source, remote, now, _UDP), memory, at, ends, payload, now)
                return
        self.counters.drop_no_way += 1
        self._tell(bound, error, 1, memory.bytes(at, ends))

    def _send(self, bound: Bound, path: Path, memory: Memory, at: int, ends: int, payload: int, now: int) -> None:
        """Send the octets that follow the ends at `at`."""
        output = self._output
        octets = _HEADER + payload
        if path.ip_octets + octets > output.mtu_of(path, now):
            datagram = Memory(bytearray(octets))
            self._write(datagram, 0, bound.port, memory, at, ends, payload)
            checksum = ~datagram.sum(0, octets, path.pseudo_sum + octets) & 0xFFFF
            datagram.put16(_CHECKSUM_AT, checksum if checksum else 0xFFFF)
            sent = output.send_fragments(path, datagram.bytes(0, octets), now)
        else:
            place = output.begin(path, octets, now)
            sent = place >= 0
            if sent:
                self._write(output.memory, place, bound.port, memory, at, ends, payload)
                output.end(path, octets, _CHECKSUM_AT, 0, _HEADER)
        if sent:
            self.counters.sent += 1
        else:
            self.counters.drop_queue_full += 1

    def _write(self, target: Memory, place: int, port: int, memory: Memory, at: int, ends: int, payload: int) -> None:
        """A UDP header, its checksum 0, and the octets behind it."""
        target.put16(place, port)
        target.put16(place + 2, memory.get16(at))
        target.put16(place + 4, _HEADER + payload)
        target.put16(place + _CHECKSUM_AT, 0)
        target.copy(place + _HEADER, memory, at + ends, payload)
