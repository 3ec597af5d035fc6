"""A file of exact filters, one a line: `[protocol,]source,source port,destination,destination port,replica`.

The protocol is tcp (which it is without one) or udp; addresses and ports are those of arriving frames; # begins a
comment. An error names file and line; so does a flow that has a filter already.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

from neatctl.core.native import Memory
from neatctl.nic.filters import TCP, UDP, Filters
from neatctl.nic.rss import Rss

_PROTOCOLS = {"tcp": TCP, "udp": UDP}


class BadFilters(ValueError):
    """A file of filters that cannot be used; the message says where."""


def read_filters(path: Path, rss: Rss, replicas: int) -> Filters:
    """The filters of a file. BadFilters, OSError."""
    filters = Filters()
    known = 0
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadFilters(f"{path}: it is not UTF-8") from None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        try:
            protocol, key, replica = _filter([field.strip() for field in line.split(",")], replicas)
            filters.add(key, rss.hash(Memory(key), 0, len(key)), replica, protocol)
            known += 1
            if filters.count < known:
                raise ValueError("there is a filter for this flow already")
        except ValueError as error:
            raise BadFilters(f"{path}:{number}: {error}") from None
    return filters


def _filter(fields: list[str], replicas: int) -> tuple[int, bytes, int]:
    protocol = TCP
    if len(fields) == 6:
        if fields[0].lower() not in _PROTOCOLS:
            raise ValueError(f"the protocol of a filter is tcp or udp, not {fields[0]!r}")
        protocol = _PROTOCOLS[fields.pop(0).lower()]
    if len(fields) != 5:
        raise ValueError(f"a filter has five fields (source, port, destination, port, replica), not {len(fields)}")
    source, destination = (ipaddress.ip_address(fields[i]) for i in (0, 2))
    if source.version != destination.version:
        raise ValueError(f"{source} and {destination} are of different versions of IP")
    ports = [_number(fields[i], "a port", 0, 65535) for i in (1, 3)]
    replica = _number(fields[4], "a replica", 1, replicas)
    return protocol, source.packed + destination.packed + b"".join(port.to_bytes(2, "big") for port in ports), replica


def _number(text: str, what: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise ValueError(f"{what} is {least} to {most} here, not {text!r}")
    return int(text)
