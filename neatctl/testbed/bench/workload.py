"""The presets of the paper (section 5 and its Figures 4 and 5), and what a user may change in them, checked. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from neatctl.testbed.bench.clients import CLIENTS, client_of
from neatctl.testbed.bench.results import Workload

MAX_OCTETS = 1 << 30
"""Of all files together: what the web server holds."""
MAX_CONNECTIONS = 60_000
MAX_WORKERS = 64
LONGEST_S = 86_400.0
_SUFFIXES = {"": 1, "k": 1_000, "M": 1_000_000}


class BadWorkload(ValueError):
    """What cannot be asked for; the message names the option and what is allowed."""


@dataclass(frozen=True)
class Preset:
    """A workload of the paper."""

    requests_per_connection: int
    connections: int
    sizes: tuple[int, ...]
    """Of files, in octets: a result each."""
    says: str


PRESETS = {
    "persistent": Preset(100, 64, (20,), "a 20-octet file, 100 requests on a connection"),
    "tuned": Preset(1000, 64, (20,), "a 20-octet file, 1,000 requests on a connection"),
    "churn": Preset(1, 64, (20,), "a 20-octet file, a connection for each request"),
    "sizes": Preset(100, 8, tuple(10**power for power in range(8)), "files of 1 octet to 10 MB, a result each"),
}


@dataclass(frozen=True)
class Asked:
    """What was asked for; None: as the preset has it."""

    preset: str = "persistent"
    connections: int | None = None
    requests_per_connection: int | None = None
    seconds: float = 3.0
    warm_up_s: float = 1.0
    rate: float | None = None
    octets: str | None = None
    path: str | None = None
    timeout_s: float = 5.0
    workers: int = 1
    client: str = "own"


def sizes_of(text: str) -> tuple[int, ...]:
    """`20`, `1,10k,1M` as octets; k and M are thousands and millions. BadWorkload for what is no size."""
    sizes = []
    for word in text.split(","):
        found = re.fullmatch(r"(\d{1,12})([kM]?)", word.strip())
        if found is None:
            raise BadWorkload(f"--bytes: {word!r} is no size in octets, such as 20, 64k or 10M, or several: 20,64k")
        sizes.append(int(found[1]) * _SUFFIXES[found[2]])
    if sum(sizes) > MAX_OCTETS:
        raise BadWorkload(f"--bytes: at most {MAX_OCTETS} octets in all, not {sum(sizes)}")
    return tuple(dict.fromkeys(sizes))


def numbers_of(option: str, text: str) -> tuple[int, ...]:
    """`4` or `1,2,4`, without repetitions. BadWorkload for what is no number."""
    numbers = []
    for word in text.split(","):
        if re.fullmatch(r"\d{1,9}", word.strip()) is None:
            raise BadWorkload(f"{option}: {word!r} is no number, such as 2, or several: 1,2,4")
        numbers.append(int(word))
    return tuple(dict.fromkeys(numbers))


def path_of(octets: int) -> str:
    """The path of the file of this size in a testbed of our own."""
    return f"/{octets}b"


def workloads(asked: Asked) -> list[Workload]:
    """One workload for each size of file. BadWorkload for what cannot be."""
    preset = PRESETS.get(asked.preset)
    if preset is None:
        raise BadWorkload(f"--preset: there is no {asked.preset!r}; there are {', '.join(PRESETS)}")
    if asked.client not in CLIENTS:
        raise BadWorkload(f"--client: {asked.client!r} is none of {', '.join(CLIENTS)}")
    connections = preset.connections if asked.connections is None else asked.connections
    requests = preset.requests_per_connection
    requests = requests if asked.requests_per_connection is None else asked.requests_per_connection
    _between("--connections", connections, 1, MAX_CONNECTIONS)
    _between("--requests-per-connection", requests, 0, 1 << 40)
    _between("--seconds", asked.seconds, 0.1, LONGEST_S)
    _between("--warm-up", asked.warm_up_s, 0.0, LONGEST_S)
    _between("--timeout", asked.timeout_s, 0.1, 3600.0)
    _between("--workers", asked.workers, 1, MAX_WORKERS)
    if asked.workers > connections:
        raise BadWorkload(f"--workers: {asked.workers} processes cannot share {connections} connections")
    if asked.rate is not None:
        _between("--rate", asked.rate, 0.001, 1e7)
    if asked.path is not None and (not asked.path.startswith("/") or not asked.path.isascii() or " " in asked.path):
        raise BadWorkload(f"--path: {asked.path!r} is no path: a / and then visible ASCII")
    if asked.path is not None and asked.octets is None:
        chosen: tuple[int | None, ...] = (None,)
    else:
        chosen = sizes_of(asked.octets) if asked.octets is not None else preset.sizes
    if asked.path is not None and len(chosen) > 1:
        raise BadWorkload("--path: one file has one size; give one with --bytes, or none")
    made = [
        Workload(
            path=asked.path or path_of(octets or 0),
            octets=octets,
            connections=connections,
            requests_per_connection=requests,
            seconds=asked.seconds,
            warm_up_s=asked.warm_up_s,
            rate=asked.rate,
            timeout_s=asked.timeout_s,
            workers=asked.workers,
            client=asked.client,
            preset=asked.preset,
        )
        for octets in chosen
    ]
    if lack := client_of(asked.client).lacks(made[0]):
        raise BadWorkload(lack)
    return made


def _between(option: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadWorkload(f"{option}: {value:.15g} is not between {low:.15g} and {high:.15g}")
