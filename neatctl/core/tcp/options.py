"""What an application sets of its connections and listeners, and what only few connections ever need.

A set of options is never changed: connections with the same options share one, so that an option costs a
connection nothing. `Rare` is made when it is needed. Numbers and limits: channel/socket_options.py.
Knows no segments and no connection.
"""

from __future__ import annotations

from neatctl.core.channel import socket_options as o

_MAX_SETS = 1024
_SECOND_US = 1_000_000
_NEVER_YET = -1


class Options:
    """Values of options by their number; what is not in `values` has its default."""

    __slots__ = (
        "congestion", "cork", "defer_us", "keep_count", "keep_idle_us", "keep_interval_us", "keepalive", "maxseg",
        "nodelay", "quickack", "receive_octets", "send_octets", "user_timeout_us", "values",
    )  # fmt: skip

    def __init__(self, values: dict[int, int]) -> None:
        self.values = values
        self.nodelay = self.get(o.NODELAY) == 1
        self.cork = self.get(o.CORK)
        self.quickack = self.get(o.QUICKACK) == 1
        self.keepalive = self.get(o.KEEPALIVE) == 1
        self.keep_idle_us = self.get(o.KEEP_IDLE_S) * _SECOND_US
        self.keep_interval_us = self.get(o.KEEP_INTERVAL_S) * _SECOND_US
        self.keep_count = self.get(o.KEEP_COUNT)
        self.user_timeout_us = self.get(o.USER_TIMEOUT_MS) * 1000
        self.maxseg = self.get(o.MAXSEG)
        self.defer_us = self.get(o.DEFER_ACCEPT_S) * _SECOND_US
        self.receive_octets = values.get(o.RECEIVE_OCTETS, 0)
        """0 for the replica's default, as for the next."""
        self.send_octets = values.get(o.SEND_OCTETS, 0)
        self.congestion = values.get(o.CONGESTION, _NEVER_YET)
        """The place in CONGESTIONS, -1 for the default."""

    def get(self, option: int) -> int:
        """The value that holds."""
        return self.values.get(option, o.LIMITS[option].default)


class OptionSets:
    """The sets of options in use in one replica, each once."""

    def __init__(self) -> None:
        self._sets: dict[tuple[tuple[int, int], ...], Options] = {}

    def of(self, values: dict[int, int]) -> Options | None:
        """The set with these values; None for no values at all."""
        if not values:
            return None
        key = tuple(sorted(values.items()))
        found = self._sets.get(key)
        if found is None:
            if len(self._sets) >= _MAX_SETS:
                self._sets.clear()
            found = self._sets[key] = Options(dict(key))
        return found

    def changed(self, options: Options | None, option: int, value: int) -> Options:
        """The set that differs from `options` in one value."""
        values = dict(options.values) if options is not None else {}
        values[option] = value
        found = self.of(values)
        assert found is not None
        return found


class Rare:
    """State of a connection whose need is rare. Times are microseconds, sequence numbers unwrapped."""

    __slots__ = (
        "defer_until_us", "full_mss", "keep_probes", "keep_us", "mss_until_us", "opening", "stalled_una", "stalled_us",
        "twice_end", "twice_start", "urgent_end", "urgent_owed",
    )  # fmt: skip

    def __init__(self) -> None:
        self.keep_probes = 0
        """Keep-alive probes since the peer was last heard."""
        self.keep_us = 0
        """When the last of them was sent."""
        self.stalled_una = -1
        """SND.UNA when a timer ran out first, and since when it had not moved."""
        self.stalled_us = 0
        self.full_mss = 0
        """What `mss` was before the path turned out to be narrower; 0 if it did not."""
        self.mss_until_us = 0
        """When that is tried again."""
        self.defer_until_us = 0
        """Until when the first octets are waited for before the application is told (TCP_DEFER_ACCEPT)."""
        self.twice_start = self.twice_end = 0
        """Octets that came twice, as the next ACK reports them (sack_out.py)."""
        self.urgent_end = _NEVER_YET
        """RCV.UP: after the last urgent octet, or -1."""
        self.urgent_owed = False
        """The application was not told of RCV.UP."""
        self.opening = -1
        """The number of the CONNECT whose OPENING found no room in the channel, or -1."""
