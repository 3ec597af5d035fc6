"""The states of a connection and how events move it (RFC 9293 section 3.3.2), as a table.

Small integers on the packet path. `Tcb.on` is the one writer of a state and asks `following`; a pair that is
not in the table is a bug of ours and raises. LISTEN is no state of a Tcb (a Listener stands for it) and
TIME-WAIT is one of the small objects in time_wait.py; both keep their rows so that the table is whole.
Knows nothing of segments, records or time.
"""

from __future__ import annotations

CLOSED = 0
LISTEN = 1
SYN_SENT = 2
SYN_RECEIVED = 3
ESTABLISHED = 4
FIN_WAIT_1 = 5
FIN_WAIT_2 = 6
CLOSE_WAIT = 7
CLOSING = 8
LAST_ACK = 9
TIME_WAIT = 10

STATE_NAMES = (
    "CLOSED",
    "LISTEN",
    "SYN-SENT",
    "SYN-RECEIVED",
    "ESTABLISHED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "CLOSE-WAIT",
    "CLOSING",
    "LAST-ACK",
    "TIME-WAIT",
)

ACTIVE_OPEN = 0
"""OPEN call of the active kind: a SYN is to be sent."""
SYN_ARRIVED = 1
"""A SYN without a usable ACK: passive open, or simultaneous open."""
SYN_ACKED = 2
"""Our SYN was acknowledged, and the peer's has arrived."""
CLOSE_CALLED = 3
"""CLOSE or SHUTDOWN call: our FIN is queued."""
FIN_ACKED = 4
"""Our FIN was acknowledged."""
FIN_ARRIVED = 5
"""The peer's FIN is in order."""
FIN_ARRIVED_AND_ACKED = 6
"""The peer's FIN is in order, and our own was acknowledged before it."""
ABANDONED = 7
"""Reset, abort, timeout, or the last acknowledgment: the connection ends."""

EVENT_NAMES = (
    "active OPEN",
    "SYN",
    "ACK of SYN",
    "CLOSE",
    "ACK of FIN",
    "FIN",
    "FIN after ACK of FIN",
    "reset, abort or timeout",
)

TRANSITIONS = {
    (CLOSED, ACTIVE_OPEN): SYN_SENT,
    (CLOSED, SYN_ARRIVED): SYN_RECEIVED,
    (LISTEN, SYN_ARRIVED): SYN_RECEIVED,
    (LISTEN, ACTIVE_OPEN): SYN_SENT,
    (LISTEN, CLOSE_CALLED): CLOSED,
    (SYN_SENT, SYN_ARRIVED): SYN_RECEIVED,
    (SYN_SENT, SYN_ACKED): ESTABLISHED,
    (SYN_SENT, CLOSE_CALLED): CLOSED,
    (SYN_RECEIVED, SYN_ACKED): ESTABLISHED,
    (SYN_RECEIVED, CLOSE_CALLED): FIN_WAIT_1,
    (SYN_RECEIVED, FIN_ARRIVED): CLOSE_WAIT,
    (ESTABLISHED, CLOSE_CALLED): FIN_WAIT_1,
    (ESTABLISHED, FIN_ARRIVED): CLOSE_WAIT,
    (FIN_WAIT_1, FIN_ACKED): FIN_WAIT_2,
    (FIN_WAIT_1, FIN_ARRIVED): CLOSING,
    (FIN_WAIT_1, FIN_ARRIVED_AND_ACKED): TIME_WAIT,
    (FIN_WAIT_2, FIN_ARRIVED): TIME_WAIT,
    (FIN_WAIT_2, FIN_ARRIVED_AND_ACKED): TIME_WAIT,
    (CLOSE_WAIT, CLOSE_CALLED): LAST_ACK,
    (CLOSING, FIN_ACKED): TIME_WAIT,
    (LAST_ACK, FIN_ACKED): CLOSED,
    **{(state, ABANDONED): CLOSED for state in range(TIME_WAIT + 1)},
}
"""(state, event) to the state that follows; FIN of CLOSE-WAIT to TIME-WAIT again changes nothing and is no event."""

_EVENTS = len(EVENT_NAMES)
_NONE = 255
_following = bytes(
    TRANSITIONS.get((state, event), _NONE) for state in range(len(STATE_NAMES)) for event in range(_EVENTS)
)


def following(state: int, event: int) -> int:
    """The state after `event`; ValueError for a pair that cannot be."""
    after = _following[state * _EVENTS + event]
    if after == _NONE:
        raise ValueError(f"{EVENT_NAMES[event]} in {STATE_NAMES[state]}")
    return after
