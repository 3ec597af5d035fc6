"""A file of exact filters: one a line, `source,source port,destination,destination port,replica`; # begins a comment.

Addresses are those of arriving frames. An error names file and line.
"""

from __future__ import annotations

import csv
import ipaddress
from pathlib import Path

from neatctl.core.native import Memory
from neatctl.nic.filters import Filters, FiltersFull
from neatctl.nic.rss import Rss


class BadFilters(ValueError):
    """A file of filters that cannot be used; the message says where."""


def read_filters(path: Path, rss: Rss, replicas: int) -> Filters:
    """The filters of a file. BadFilters, OSError."""
    filters = Filters()
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadFilters(f"{path}: it is not UTF-8") from None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        try:
            key, replica = _filter(next(csv.reader([line], skipinitialspace=True)), replicas)
            filters.add(key, rss.hash(Memory(key), 0, len(key)), replica)
        except FiltersFull as error:
            raise BadFilters(f"{path}:{number}: {error}") from None
        except ValueError as error:
            raise BadFilters(f"{path}:{number}: {error}") from None
    return filters


def _filter(fields: list[str], replicas: int) -> tuple[bytes, int]:
    if len(fields) != 5:
        raise ValueError(f"a filter has five fields (source, port, destination, port, replica), not {len(fields)}")
    source, destination = (ipaddress.ip_address(fields[i].strip()) for i in (0, 2))
    if source.version != destination.version:
        raise ValueError(f"{source} and {destination} are of different versions of IP")
    ports = [int(fields[i]) for i in (1, 3)]
    replica = int(fields[4])
    if not all(0 <= port <= 65535 for port in ports):
        raise ValueError(f"ports are 0 to 65535, not {ports}")
    if not 1 <= replica <= replicas:
        raise ValueError(f"there are replicas 1 to {replicas}, not {replica}")
    return source.packed + destination.packed + b"".join(port.to_bytes(2, "big") for port in ports), replica
