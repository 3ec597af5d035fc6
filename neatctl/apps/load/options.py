"""The options of the load client as one checked record. Opens nothing; the package's docstring says what they do."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

MAX_CONNECTIONS = 60_000
MAX_RATE = 10_000_000
MAX_PATH_OCTETS = 2048
LONGEST_S = 86_400.0
_PATH = re.compile(r"/[!-~]*")
"""What may stand in a request line without quoting (RFC 9112 section 3.2; RFC 3986 is not enforced beyond that)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; times in seconds."""

    url: str
    host: str
    port: int
    paths: tuple[str, ...]
    """At least one; with more than one each request asks for the next."""
    connections: int = 32
    requests_per_connection: int = 0
    """0: until the server closes."""
    seconds: float = 5.0
    warm_up_s: float = 0.0
    rate: float = 0.0
    """Requests/s of all connections (open loop); 0: each asks as soon as it was answered."""
    seed: int = 1
    timeout_s: float = 5.0
    """For a connection to open, and for an answer from its request on."""
    expect_octets: int = -1
    """What each answer's content must be long; -1: as the first answer's of the same path."""
    progress: bool = False


def _between(low: float, high: float, kind: type) -> object:
    def read(text: str) -> float:
        try:
            value: float = kind(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not between {low:g} and {high:g}")
        return value

    return read


def arguments() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m neatctl.apps.load",
        description="HTTP load over many connections on the kernel's sockets; one JSON object on standard output.",
    )

    def number(name: str, kind: type, default: object, low: float, high: float, what: str) -> None:
        made.add_argument(name, type=_between(low, high, kind), default=default, metavar="N", help=what)  # type: ignore[arg-type]

    made.add_argument("url", help="for example http://10.77.0.2/20b")
    number("--connections", int, 32, 1, MAX_CONNECTIONS, "open at the same time; default 32")
    number(
        "--requests-per-connection", int, 0, 0, 1 << 40,
        "then it is closed in order and opened anew; default 0: when the server closes it",
    )  # fmt: skip
    number("--seconds", float, 5.0, 0.01, LONGEST_S, "how long is measured; default 5")
    number("--warm-up", float, 0.0, 0.0, LONGEST_S, "seconds of load before that, not counted; default 0")
    number(
        "--rate", float, 0.0, 0.001, MAX_RATE,
        "requests/s in all, due at fixed times (open loop); default: each as soon as the last was answered",
    )  # fmt: skip
    number("--seed", int, 1, 0, (1 << 63) - 1, "of connections' and paths' order and of the first due time; default 1")
    number("--timeout", float, 5.0, 0.01, 3600.0, "seconds for an answer, or to connect; default 5")
    number("--expect-octets", int, -1, 0, 1 << 40, "what the content must be long; default: as the first one")
    made.add_argument("--paths", metavar="FILE", help="paths to ask for in turn, one a line, instead of the URL's")
    made.add_argument("--progress", action="store_true", help="one JSON object a second on standard error")
    return made


def parse(argv: Sequence[str] | None = None) -> Options:
    """The options of a command line; SystemExit(2) with one line for what cannot be."""
    made = arguments()
    given = made.parse_args(argv)
    try:
        url = urlsplit(given.url)
        port = url.port or 80
    except ValueError as error:
        made.error(f"{given.url}: {error}")
    if url.scheme != "http" or not url.hostname:
        made.error(f"{given.url!r} is not an http URL, such as http://10.77.0.2/20b")
    paths = [(url.path or "/") + (f"?{url.query}" if url.query else "")]
    if given.paths is not None:
        try:
            paths = [line.strip() for line in Path(given.paths).read_text(encoding="ascii").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            made.error(f"--paths {given.paths}: {error}")
        paths = [path for path in paths if path and not path.startswith("#")]
        if not paths:
            made.error(f"--paths {given.paths}: no path in it")
    for path in paths:
        if not _PATH.fullmatch(path) or len(path) > MAX_PATH_OCTETS:
            made.error(f"{path[:80]!r} is no path: a / and then visible ASCII, {MAX_PATH_OCTETS} octets at most")
    return Options(
        url=given.url,
        host=url.hostname,
        port=port,
        paths=tuple(paths),
        connections=given.connections,
        requests_per_connection=given.requests_per_connection,
        seconds=given.seconds,
        warm_up_s=given.warm_up,
        rate=given.rate,
        seed=given.seed,
        timeout_s=given.timeout,
        expect_octets=given.expect_octets,
        progress=given.progress,
    )
