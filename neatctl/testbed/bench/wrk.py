"""wrk (Debian's package of that name): its command line, and its figures by a script that prints them as JSON.

wrk keeps a connection until the server closes it; for fewer requests on each, the script lets every Nth request of the
process, whichever connection it is on, ask for the close. To its latencies wrk adds some that it takes for omitted (it
expects equal distances between requests), so their count may exceed that of requests; wrong answers are among them. It
takes a 3xx for right, and looks at no content.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import msgspec

from neatctl.testbed.bench.outcome import Outcome, counted_latency
from neatctl.testbed.bench.own_client import BadOutput, last_words
from neatctl.testbed.bench.results import Errors, Workload

PROGRAM = "wrk"
WARMS_UP = False
_DONE = """\
function done(summary, latency, requests)
  local e, seen = summary.errors, {}
  for i = 1, #latency do seen[i] = string.format("[%.0f,%.0f]", latency(i)) end
  io.write(string.format(
    'neatctl {"requests":%.0f,"duration_us":%.0f,"octets":%.0f,' ..
    '"connect":%.0f,"read":%.0f,"write":%.0f,"status":%.0f,"timeout":%.0f,"latency":[',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout))
  io.write(table.concat(seen, ","), "]}\\n")
end
"""
_CLOSE = """\
local keep, last, asked = nil, nil, 0
function init()
  keep = wrk.format()
  wrk.headers["Connection"] = "close"
  last = wrk.format()
end
function request()
  asked = asked + 1
  return asked %% %d == 0 and last or keep
end
"""
_LINE = re.compile(r"^neatctl (\{.*\})$", re.M)


class _Said(msgspec.Struct):
    """The line of our script; times in microseconds."""

    requests: int
    """Answers, of wrong status too."""
    duration_us: int
    octets: int
    connect: int
    read: int
    write: int
    status: int
    timeout: int
    latency: list[tuple[int, int]]
    """Values, and how often each was seen."""


def lacks(workload: Workload) -> str:
    """wrk has neither an open loop nor parts of a second."""
    if workload.rate is not None:
        return "wrk has no open loop: leave --rate out, or take --client own"
    if workload.seconds != int(workload.seconds):
        return f"wrk measures whole seconds, not {workload.seconds:g}: give --seconds {math.ceil(workload.seconds)}"
    return ""


def script(requests_per_connection: int) -> str:
    """The Lua script for so many requests on a connection, on average; 0: until the server closes."""
    if requests_per_connection == 0:
        return _DONE
    if requests_per_connection == 1:
        # A header of all requests: they stay as fast as without a script.
        return 'wrk.headers["Connection"] = "close"\n' + _DONE
    return _CLOSE % requests_per_connection + _DONE


def command(url: str, workload: Workload, _seed: int, directory: str) -> list[str]:
    """One thread; the seed changes nothing, for wrk draws no numbers."""
    file = Path(directory) / f"requests-{workload.requests_per_connection}.lua"
    file.write_text(script(workload.requests_per_connection), encoding="ascii")
    how = ["-t1", f"-c{workload.connections}", f"-d{math.ceil(workload.seconds)}s"]
    return ["wrk", *how, "--timeout", f"{math.ceil(workload.timeout_s)}s", "-s", str(file), url]


def outcome(out: str, err: str, code: int, workload: Workload) -> Outcome:
    """Its figures; a server to which wrk could not connect at all is an error counted, not one raised."""
    found = _LINE.search(out)
    if found is None:
        refused = re.search(r"unable to connect to \S+ (.+)", out + err)
        if code and refused:
            kind = "refused" if "refused" in refused[1] else "timeout" if "timed out" in refused[1] else "unreachable"
            reasons = {f"wrk: {refused[0]}": 1}
            errors = Errors(**{kind: 1})
            return Outcome(workload.seconds, 0, 0, workload.connections, 0, 0, errors, reasons)
        raise BadOutput(f"wrk exited with {code}: {last_words(out, err)}")
    try:
        said = msgspec.json.decode(found[1], type=_Said)
    except msgspec.DecodeError as error:
        raise BadOutput(f"wrk printed no figures: {error}") from None
    other = said.connect + said.read + said.write
    reasons = {f"wrk: socket errors, {name}": getattr(said, name) for name in ("connect", "read", "write")}
    right = max(said.requests - said.status, 0)
    return Outcome(
        seconds=said.duration_us / 1e6,
        requests=right,
        octets_in=said.octets,
        connections_wanted=workload.connections,
        errors=Errors(status=said.status, timeout=said.timeout, other=other),
        error_reasons={reason: count for reason, count in reasons.items() if count},
        latency=counted_latency(said.latency),
    )
