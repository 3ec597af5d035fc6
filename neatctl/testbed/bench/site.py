"""What servers beside a testbed need of it: the files that are asked for, and a network that it does not use."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from neatctl.testbed.bench.results import Workload
from neatctl.testbed.bench.runner import CannotMeasure


def fill(directory: Path, workloads: Sequence[Workload], seed: int) -> None:
    """A file for each workload, at its path and of its size, readable for every server; octets that do not repeat.
    CannotMeasure for a path that is no plain name below the directory."""
    draw = random.Random(seed)
    for workload in workloads:
        parts = workload.path[1:].split("/")
        if not all(parts) or {".", ".."} & set(parts) or "?" in workload.path or "%" in workload.path:
            raise CannotMeasure(f"{workload.path} is no file that another server could have too: name one with --path")
        if workload.octets is None:
            raise CannotMeasure(f"how long {workload.path} is was not said: give it with --bytes")
        file = directory.joinpath(*parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(draw.randbytes(workload.octets))
    for made in [directory, *directory.rglob("*")]:
        made.chmod(0o755 if made.is_dir() else 0o644)


def network_beside(url: str, candidates: Sequence[str]) -> str:
    """The first network of the candidates (an address in each, such as 10.91.0.1/24) in which a URL's host is not."""
    host = ipaddress.IPv4Address(urlsplit(url).hostname or "")
    return next(cidr for cidr in candidates if host not in ipaddress.IPv4Interface(cidr).network)


def server_of(cidr: str) -> ipaddress.IPv4Address:
    """The address that answers in a network with this address of the clients."""
    interface = ipaddress.IPv4Interface(cidr)
    return next(host for host in interface.network.hosts() if host != interface.ip)
