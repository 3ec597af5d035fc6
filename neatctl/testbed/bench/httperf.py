"""httperf (Debian's package of that name): its command line, and its report read.

httperf is an open loop of connections: so many are begun in a second, each with so many requests one after the other.
Its latency is a mean with a tenth of a millisecond's resolution; percentiles it has only of whole connections.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from neatctl.testbed.bench.outcome import Outcome
from neatctl.testbed.bench.own_client import BadOutput, last_words
from neatctl.testbed.bench.results import Errors, Latency, Workload

PROGRAM = "httperf"
WARMS_UP = False
_CLASSES = {
    "client-timo": "timeout",
    "socket-timo": "timeout",
    "connrefused": "refused",
    "connreset": "reset",
    "fd-unavail": "fd_limit",
    "addrunavail": "ports",
    "ftab-full": "other",
    "other": "other",
}
"""httperf's names of errors, and ours."""


def lacks(workload: Workload) -> str:
    """It needs to know how many requests a second, and how many to a connection."""
    if workload.rate is None:
        return "httperf opens connections at a rate: give --rate REQUESTS_PER_S, or take --client own"
    if not workload.requests_per_connection:
        return "httperf asks a fixed number of times on each connection: give --requests-per-connection 1 or more"
    return ""


def connections(workload: Workload) -> int:
    """How many it opens in all, so that it is busy for the time that was asked for."""
    assert workload.rate is not None
    return max(round(workload.rate * workload.seconds / workload.requests_per_connection), 1)


def command(url: str, workload: Workload, _seed: int, _directory: str) -> list[str]:
    """Connections in the time between, at even distances; the seed changes nothing."""
    assert workload.rate is not None
    parts = urlsplit(url)
    return [
        "httperf", "--hog", "--server", parts.hostname or "", "--port", str(parts.port or 80), "--uri", parts.path,
        "--rate", f"{workload.rate / workload.requests_per_connection:.6f}",
        "--num-conns", str(connections(workload)),
        "--num-calls", str(workload.requests_per_connection),
        "--timeout", f"{workload.timeout_s:g}",
    ]  # fmt: skip


def _figures(pattern: str, out: str) -> list[float]:
    found = re.search(pattern, out, re.M)
    if found is None:
        raise BadOutput(f"httperf printed no figures: {last_words(out, '')}")
    return [float(group) for group in found.groups()]


def outcome(out: str, err: str, code: int, workload: Workload) -> Outcome:
    """Its report."""
    if not re.search(r"^Total: ", out, re.M):
        raise BadOutput(f"httperf exited with {code}: {last_words(out, err)}")
    opened, replies, seconds = _figures(
        r"^Total: connections (\d+) requests \d+ replies (\d+) test-duration ([\d.]+) s", out
    )
    (most,) = _figures(r"<=(\d+) concurrent connections", out)
    response_ms, transfer_ms = _figures(r"^Reply time \[ms\]: response ([\d.]+) transfer ([\d.]+)", out)
    (connect_ms,) = _figures(r"^Connection time \[ms\]: connect ([\d.]+)", out)
    header, content, footer = _figures(r"^Reply size \[B\]: header ([\d.]+) content ([\d.]+) footer ([\d.]+)", out)
    statuses = _figures(r"^Reply status: 1xx=(\d+) 2xx=(\d+) 3xx=(\d+) 4xx=(\d+) 5xx=(\d+)", out)
    counted = dict(re.findall(r"(client-timo|socket-timo|connrefused|connreset|fd-unavail|addrunavail|ftab-full|other)"
                              r" (\d+)", "\n".join(re.findall(r"^Errors: .*$", out, re.M))))
    errors = dict.fromkeys(_CLASSES.values(), 0)
    for name, count in counted.items():
        errors[_CLASSES[name]] += int(count)
    right = int(statuses[1])
    wanted_octets = workload.octets
    wrong_length = right if wanted_octets is not None and right and abs(content - wanted_octets) > 0.5 else 0
    reasons = {f"httperf: {name}": int(count) for name, count in counted.items() if int(count)}
    if wrong_length:
        reasons[f"httperf: contents of {content:g} octets on average, not {wanted_octets}"] = wrong_length
    return Outcome(
        seconds=seconds,
        requests=right - wrong_length,
        octets_in=round(replies * (header + content + footer)),
        connections_wanted=connections(workload) if workload.rate is not None else int(opened),
        connections_achieved=int(most),
        connections_opened=int(opened),
        errors=Errors(status=int(sum(statuses)) - right, content=wrong_length, **errors),
        error_reasons=reasons,
        latency=Latency(count=int(replies), mean=round((response_ms + transfer_ms) * 1000, 1) if replies else None),
        connect_time=Latency(count=int(opened), mean=connect_ms * 1000),
    )
