"""The work of `neatctl replay FILE --stateful`: read the capture, enter the clients' side, play, compare, report."""

from __future__ import annotations

import ipaddress
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from neatctl.core.control.status import Status
from neatctl.core.process.run_directory import RunDirectory
from neatctl.nic.devices.pcap import BadCapture
from neatctl.testbed import client, network
from neatctl.testbed.make_network import DEVICE
from neatctl.testbed.replay.capture_file import BadFilter
from neatctl.testbed.replay.screens import progress_of
from neatctl.testbed.replay.stateful.comparison import DATES, BadPattern, Comparison, compare, patterns
from neatctl.testbed.replay.stateful.conversations import Conversations, TooMuch, read
from neatctl.testbed.replay.stateful.report import SCHEMA, StatefulReport, connection_of, show
from neatctl.testbed.replay.stateful.runner import NoPlace, Play, Runner
from neatctl.testbed.replay.stateful.script import Script
from neatctl.testbed.replay.stateful.station import Busy, NoAnswer, Station
from neatctl.testbed.screens import note
from neatctl.testbed.verbs import DID_NOT_HOLD, HELD, NOT_RUNNING, USAGE

MOST_ADDRESSES = 64
"""Of the clients together."""
LONG_PLAY_S = 30
LAST = 1 << 62
DAY_S = 86_400


class Options(msgspec.Struct, frozen=True):
    """What a user may set for a stateful replay."""

    server: Sequence[str] = ()
    """ADDRESS[:PORT] of the live server, one; none for the stack's address. Without a port: the captured one."""
    speed: str = "1"
    timeout_s: float = 5.0
    """Without progress."""
    limit_s: float | None = None
    """Of one connection in all."""
    connections: str = ""
    """A-B, A- or A: numbers by the order of the first SYNs."""
    at_once: int = 32
    """With speed max."""
    ignore: Sequence[str] = ()
    with_dates: bool = False
    expression: str = ""


def argv(testbed: str, path: Path, options: Options) -> list[str]:
    """The command that plays a capture against a testbed and prints a StatefulReport as JSON: in a process of its own,
    since it moves to the clients' side. Exit codes as of `run_stateful`."""
    made = [sys.executable, "-m", "neatctl", "replay", str(path), "--stateful", "--json", "--name", testbed]
    made += ["--speed", options.speed, "--timeout", str(options.timeout_s), "--at-once", str(options.at_once)]
    made += [] if options.limit_s is None else ["--limit", str(options.limit_s)]
    made += [part for expression in options.ignore for part in ("--ignore", expression)]
    made += [part for server in options.server for part in ("--server", server)]
    made += ["--with-dates"] if options.with_dates else []
    made += ["--connections", options.connections] if options.connections else []
    return made + (["--bpf", options.expression] if options.expression else [])


class BadOption(ValueError):
    """An option that cannot be; the message says what is allowed."""


def run_stateful(run: RunDirectory, path: Path, options: Options, as_json: bool) -> int:
    """Play the captured clients against the live server: 0 if its octets are equal in every connection, else 1."""
    try:
        speed = parse_speed(options.speed)
        first, last = parse_connections(options.connections)
        server, port = parse_server(options.server)
        expressions = [*([] if options.with_dates else [DATES]), *options.ignore]
        ignored = patterns(expressions)
        limit_s = DAY_S if options.limit_s is None else options.limit_s
        if not (0 < options.timeout_s <= DAY_S and 0 < limit_s <= DAY_S) or options.at_once < 1:
            raise BadOption("--timeout and --limit are more than 0 s and at most a day, --at-once at least 1")
        status = msgspec.json.decode(client.ask(run, "status").body, type=Status)
        conversations = Conversations(first, last)
        with progress_of(f"reading {path.name}", path.stat().st_size) as progress:
            bad = read(path, options.expression, conversations, progress)
    except BadCapture as error:
        note(f"neatctl: {path}: {error}")
        return USAGE
    except (BadFilter, BadOption, BadPattern, TooMuch) as error:
        note(f"neatctl: {error}")
        return USAGE
    except OSError as error:
        note(f"neatctl: {error.filename or path}: {error.strerror}")
        return USAGE
    server = server or ipaddress.IPv4Interface(status.address).ip.packed
    scripts = conversations.scripts()
    name = socket.inet_ntoa(server) + (f":{port}" if port else "")
    report = StatefulReport(
        SCHEMA, str(path), name, speed, expressions, conversations.frames, bad, conversations.skipped, []
    )
    finished = _comparing(report, lambda play: compare(play.player.script, play.player.receipt.answers, ignored))
    code = _play(run, status, server, scripts, report, lambda station: Runner(
        station, port, speed, options.at_once, int(options.timeout_s * 1e6), int(limit_s * 1e6), finished
    ))  # fmt: skip
    if code != HELD:
        return code
    report.connections.sort(key=lambda connection: connection.number)
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        show(report)
    return HELD if report.held else DID_NOT_HOLD


def _comparing(report: StatefulReport, compared: Callable[[Play], Comparison]) -> Callable[[Play, float], None]:
    """Takes what is over into the report."""

    def finished(play: Play, seconds: float) -> None:
        report.add(connection_of(play.player, play.source, compared(play), seconds))

    return finished


def _play(
    run: RunDirectory,
    status: Status,
    server: bytes,
    scripts: list[Script],
    report: StatefulReport,
    runner_on: Callable[[Station], Runner],
) -> int:
    """All of it on the clients' side. HELD, or why it could not be played at all."""
    record = run.record()
    if record is None:
        note(f"neatctl: the testbed {run.name} is not up yet")
        return NOT_RUNNING
    if not scripts:
        return HELD
    addresses = own_addresses(status, server, MOST_ADDRESSES)
    if not addresses:
        note(f"neatctl: the network of {status.address} has no address left for clients: `neatctl up --address` with a "
             "prefix length of 29 or less has")  # fmt: skip
        return DID_NOT_HOLD
    _say_how_long(scripts, report.speed)
    begun = time.monotonic()
    try:
        network.enter_client_side(record.client_netns, record.supervisor.pid)
        station = Station(DEVICE, addresses, server)
    except Busy as error:
        note(f"neatctl: {error}")
        return DID_NOT_HOLD
    except OSError as error:
        note(f"neatctl: the clients' side cannot be entered: {error}")
        return DID_NOT_HOLD
    runner = runner_on(station)
    try:
        station.resolve()
        station.announce(len({script.client[0] for script in scripts}))
        with progress_of("playing", len(scripts), of_octets=False) as progress:
            runner.run(scripts, lambda: progress(len(report.connections)))
    except KeyboardInterrupt:
        runner.stop()
        report.interrupted = True
        report.unplayed = len(scripts) - len(report.connections)
    except (NoAnswer, NoPlace) as error:
        runner.stop()
        note(f"neatctl: {error}")
        return DID_NOT_HOLD
    except OSError as error:
        note(f"neatctl: the testbed's link went away while it was played on: {error.strerror}")
        return DID_NOT_HOLD
    finally:
        report.frames_without_room = station.lost
        report.seconds = round(time.monotonic() - begun, 6)
        station.close()
    return HELD


def own_addresses(status: Status, server: bytes, most: int) -> list[bytes]:
    """Addresses of the testbed's network that nobody has, from its end on."""
    network_of = ipaddress.IPv4Interface(status.address).network
    taken = {ipaddress.IPv4Interface(each).ip.packed for each in (status.address, status.client_address)} | {server}
    first, last = int(network_of.network_address) + 1, int(network_of.broadcast_address) - 1
    found = (number.to_bytes(4, "big") for number in range(last, max(first, last - most - len(taken)) - 1, -1))
    return [address for address in found if address not in taken][:most]


def parse_speed(text: str) -> float:
    """A factor, or 0.0 for `max`. BadOption."""
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 1e-3 <= speed <= 1e6:
        raise BadOption(f"--speed is a factor from 0.001 to 1000000, or max, not {text!r}")
    return speed


def parse_connections(text: str) -> tuple[int, int]:
    """A-B, A- or A; everything for "". BadOption."""
    first, dash, last = text.partition("-")
    try:
        found = (int(first or "1"), int(last) if last else LAST if dash or not text else int(first))
    except ValueError:
        found = (0, 0)
    if not 1 <= found[0] <= found[1]:
        raise BadOption(f"--connections is A-B, A- or A with numbers from 1 on, not {text!r}")
    return found


def parse_server(given: Sequence[str]) -> tuple[bytes, int]:
    """Address and port of ADDRESS[:PORT]; b"" and 0 for what is not said. BadOption."""
    if len(given) > 1:
        raise BadOption("one --server is played against")
    text = given[0] if given else ""
    address, colon, port = text.partition(":")
    try:
        packed = ipaddress.IPv4Address(address).packed if address else b""
        number = int(port) if colon else 0
    except ValueError:
        packed, number = b"", -1
    if number not in range(1, 1 << 16) and (colon or number):
        raise BadOption(f"--server is ADDRESS or ADDRESS:PORT with an IPv4 address, not {text!r}")
    return packed, number


def _say_how_long(scripts: list[Script], speed: float) -> None:
    if not speed:
        return
    begin_ns = min(script.begin_ns for script in scripts)
    end_ns = max(script.begin_ns + script.segments[-1].time_us * 1000 for script in scripts)
    seconds = (end_ns - begin_ns) / 1e9 / speed
    if seconds > LONG_PLAY_S:
        note(f"the capture takes {seconds:,.0f} s at this speed; --speed max leaves the pauses out")
