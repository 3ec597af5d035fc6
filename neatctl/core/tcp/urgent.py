"""The peer's urgent pointer (RFC 9293 section 3.8.5, RFC 6093): its octets stay in line, the application is told.

The pointer is after the last urgent octet (MUST-62 as RFC 6093 has it); any length is taken (MUST-31). RFC 6093 wants
new programs to do without, so nothing is compiled, and nothing urgent is ever sent.
"""

from __future__ import annotations

from neatctl.core.tcp.states import ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import Tcb
from neatctl.core.tcp.telling import tell
from neatctl.core.wire.tcp_header import Segment

_POINTER_AT = 18


def take_urgent(tables: Tables, tcb: Tcb, segment: Segment) -> None:
    """Sixth step of section 3.10.7.4: RCV.UP moves ahead, never back; a pointer into what was read says nothing."""
    if tcb.state not in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2):
        return
    end = segment.seq + segment.memory.get16(segment.at + _POINTER_AT)
    rare = tcb.rarely()
    if end <= max(rare.urgent_end, tcb.rcv_nxt):
        return
    rare.urgent_end = end
    rare.urgent_owed = True
    tables.counters.urgent_in += 1
    if not tcb.waiting:
        tell(tables, tcb)
