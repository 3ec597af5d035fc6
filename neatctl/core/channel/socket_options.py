"""The options of a connection as OPTION records and control messages carry them: numbers, limits, defaults.

What Linux calls them and how it rounds them is the socket library's business; here is one integer with one unit per
option. The two ends check a value by the same table. A listener's options are what its connections begin with.
"""

from __future__ import annotations

from typing import NamedTuple

from neatctl.core.channel.records import NODELAY

CORK = 2
"""1 keeps back segments that are not full, for at most 200 ms."""
QUICKACK = 3
"""1 acknowledges each segment at once."""
KEEPALIVE = 4
"""1 probes a peer that has been silent (RFC 9293 section 3.8.4)."""
KEEP_IDLE_S = 5
KEEP_INTERVAL_S = 6
KEEP_COUNT = 7
USER_TIMEOUT_MS = 8
"""How long octets may stay unacknowledged; 0 for as long as retransmissions take."""
MAXSEG = 9
"""The most octets in a segment, options included; 0 for what the link takes."""
RECEIVE_OCTETS = 10
"""The receive buffer."""
SEND_OCTETS = 11
"""The send buffer."""
DEFER_ACCEPT_S = 12
"""How long a connection waits for its first octets before the application is told of it; 0 does not wait."""
CONGESTION = 13
"""The place of the algorithm's name in CONGESTIONS."""

__all__ = ["NODELAY"]

CONGESTIONS = ("cubic", "reno")
"""What there is to choose from; the first is the default."""
LEAST_MAXSEG = 88
"""As Linux; a peer that announces less would make us send dust."""
LEAST_RECEIVE_OCTETS = 2304
LEAST_SEND_OCTETS = 4608
MOST_BUFFER_OCTETS = 8 << 20


class Limits(NamedTuple):
    """The least and the most that an option may be, and what it is when nobody sets it."""

    least: int
    most: int
    default: int


LIMITS = {
    NODELAY: Limits(0, 1, 0),
    CORK: Limits(0, 1, 0),
    QUICKACK: Limits(0, 1, 0),
    KEEPALIVE: Limits(0, 1, 0),
    KEEP_IDLE_S: Limits(1, 32767, 7200),
    KEEP_INTERVAL_S: Limits(1, 32767, 75),
    KEEP_COUNT: Limits(1, 127, 9),
    USER_TIMEOUT_MS: Limits(0, 0x7FFFFFFF, 0),
    MAXSEG: Limits(0, 32767, 0),
    RECEIVE_OCTETS: Limits(LEAST_RECEIVE_OCTETS, MOST_BUFFER_OCTETS, 262144),
    SEND_OCTETS: Limits(LEAST_SEND_OCTETS, MOST_BUFFER_OCTETS, 1048576),
    DEFER_ACCEPT_S: Limits(0, 32767, 0),
    CONGESTION: Limits(0, len(CONGESTIONS) - 1, 0),
}
"""Every option. Defaults of the buffers are those of `ReplicaConfig`."""


def is_sound(option: int, value: int) -> bool:
    """Whether there is such an option and it may have this value."""
    limits = LIMITS.get(option)
    if limits is None:
        return False
    return limits.least <= value <= limits.most and not (option == MAXSEG and 0 < value < LEAST_MAXSEG)
