"""What our ACKs report by SACK: octets behind a gap (RFC 2018), before them octets that came twice (RFC 2883).

The option is NOP, NOP, head and up to four blocks, three beside timestamps. Knows what was received, sends nothing.
"""

from __future__ import annotations

from neatctl.core.native import Memory
from neatctl.core.tcp.options import Rare
from neatctl.core.tcp.tcb import Tcb

_SACK_HEAD = 0x01010500


def note_duplicate(tcb: Tcb, start: int, end: int) -> None:
    """Octets came twice: the next ACK says so."""
    if tcb.sack_ok:
        rare: Rare = tcb.rarely()
        rare.twice_start = start
        rare.twice_end = end
        tcb.twice_owed = True


def sack_blocks(tcb: Tcb) -> int:
    """How many blocks the next ACK has."""
    blocks = 1 if tcb.twice_owed else 0
    if tcb.reassembly is not None:
        blocks += len(tcb.reassembly.spans)
    return min(blocks, 3 if tcb.ts_ok else 4)


def put_sack(tcb: Tcb, memory: Memory, at: int, blocks: int) -> None:
    """Put the option with so many blocks: what came twice, then the span that changed last, then the others."""
    memory.put32(at, _SACK_HEAD | (2 + 8 * blocks))
    at += 4
    if tcb.twice_owed:
        tcb.twice_owed = False
        rare: Rare = tcb.rarely()
        memory.put32(at, rare.twice_start)
        memory.put32(at + 4, rare.twice_end)
        at += 8
        blocks -= 1
    if tcb.reassembly is not None:
        for i in range(blocks):
            span = tcb.reassembly.block(i)
            memory.put32(at + 8 * i, span.start)
            memory.put32(at + 8 * i + 4, span.end)
