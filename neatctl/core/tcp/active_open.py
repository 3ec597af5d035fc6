"""An application's CONNECT: the active OPEN call (RFC 9293 section 3.10.1) from record to SYN-SENT.

Chooses and checks the local end, and tells the application what became of it: OPENING with the connection's id, or
REFUSED with an errno. An application is not trusted: what is no CONNECT is its fault (PeerFault). Not compiled: once
for each connection. Records: core/channel/records.py.
"""

from __future__ import annotations

from errno import EADDRINUSE, EADDRNOTAVAIL, ENETUNREACH, ENOBUFS

from neatctl.core.channel.face import PeerFault
from neatctl.core.channel.records import SOCKET_HEADER
from neatctl.core.channel.socket_options import LIMITS, is_sound
from neatctl.core.native import Memory
from neatctl.core.tcp.application import Application
from neatctl.core.tcp.opening import open_actively
from neatctl.core.tcp.ports import choose_port
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import Tcb
from neatctl.core.tcp.telling import tell_opening, tell_refused
from neatctl.core.tcp.time_wait import TimeWait

_KEYS = (12, 36)
_PORTS = 4
_OPTION_OCTETS = 8
_NO_FLOOR = -1
_IPV4 = 4


def connect_call(tables: Tables, app: Application, memory: Memory, at: int, octets: int, now: int) -> None:
    """A CONNECT record of `app`, of `octets` at `at`; PeerFault("record") if it cannot be."""
    number, key_octets = memory.get32(at + 4), memory.get32(at + 8)
    rest = octets - SOCKET_HEADER - key_octets
    if key_octets not in _KEYS or rest < 0 or rest % _OPTION_OCTETS or rest > _OPTION_OCTETS * len(LIMITS):
        raise PeerFault("record", f"CONNECT of {octets} octets with {key_octets} of addresses")
    at += SOCKET_HEADER
    remote_port, local_port = memory.get16(at), memory.get16(at + 2)
    address_octets = (key_octets - _PORTS) >> 1
    remote = memory.bytes(at + _PORTS, address_octets)
    local = memory.bytes(at + _PORTS + address_octets, address_octets)
    options = {}
    for place in range(at + key_octets, at + key_octets + rest, _OPTION_OCTETS):
        option, value = memory.get32(place), memory.get32(place + 4)
        if not is_sound(option, value):
            raise PeerFault("record", f"option {option} with value {value}")
        options[option] = value
    try:
        if local_port in tables.local_ends.ports:
            raise OSError(EADDRINUSE, f"port {local_port} is listened to")
        source = tables.output.source(remote, local)
        tcb = connect(tables, app, source, local_port, remote, remote_port, now, options)
    except OSError as error:
        tell_refused(tables, app, number, error.errno or ENETUNREACH)
    else:
        tell_opening(tables, tcb, number)


def connect(
    tables: Tables,
    app: Application,
    local: bytes,
    local_port: int,
    remote: bytes,
    remote_port: int,
    now: int,
    options: dict[int, int],
) -> Tcb:
    """The connection in SYN-SENT. OSError: EADDRINUSE if these ends are in use; EADDRNOTAVAIL if no port
    is left or the ends cannot be a connection's; ENETUNREACH for an address with no way there; ENOBUFS for too many."""
    if len(remote) != len(local) or (len(remote) != _IPV4 and tables.output.discovery is None):
        raise OSError(EADDRNOTAVAIL, "this stack has no address of that family")
    if local_port == 0:
        local_port = choose_port(tables, local, remote, remote_port)
    key = remote + local + remote_port.to_bytes(2, "big") + local_port.to_bytes(2, "big")
    known = tables.flows.get(key)
    floor = _NO_FLOOR
    if isinstance(known, TimeWait):
        floor = known.snd_nxt
        tables.waits.remove(known)
    elif known is not None:
        raise OSError(EADDRINUSE, f"a connection from port {local_port} to port {remote_port} exists already")
    if tables.live >= tables.max_connections:
        raise OSError(ENOBUFS, "this replica has as many connections as it may have")
    return open_actively(tables, app, key, floor, tables.option_sets.of(options), now)
