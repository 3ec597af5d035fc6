"""`neatctl replay FILE --live`: a capture's frames into a running testbed, and what the stack made of them.

A process of its own sends (sender.py); here the mirror of what the stack sends is read meanwhile, and the counters of
all components are compared before and after. Other traffic of the testbed at the time is counted with it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import select
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import IO

import msgspec

from neatctl import __version__
from neatctl.core.control.status import Status
from neatctl.core.process.run_directory import RunDirectory
from neatctl.nic.devices.pcap import BadCapture
from neatctl.nic.replay import LINKS
from neatctl.testbed import client
from neatctl.testbed.replay.capture import KindCount, bpf, kind_counts, open_output, write_out
from neatctl.testbed.replay.capture_file import CaptureFile, open_capture
from neatctl.testbed.replay.counter_rises import CounterRise, counter_rises, restarts
from neatctl.testbed.replay.mirror_client import LOOK_S, MirrorClient, open_mirror
from neatctl.testbed.replay.mirrored import MirrorReader
from neatctl.testbed.replay.pcapng import PcapngWriter
from neatctl.testbed.replay.player import Network
from neatctl.testbed.replay.rewrite import Survey
from neatctl.testbed.replay.sender import Order, Sent

SCHEMA = 1
_BEATS_S = 0.25
"""Counters of a component are at most so old."""
_DENOMINATOR = 1000


class CannotReplay(ValueError):
    """What was asked for cannot be; the message says what to do."""


class Options(msgspec.Struct, frozen=True):
    """What a user may set for a live replay."""

    speed: str = "1"
    """A factor, or `max`."""
    servers: list[str] = []
    """Addresses of the capture that become the appliance; none: a guess; `any`: all IPv4 frames are for it."""
    expression: str = ""
    """Only frames that this BPF expression chooses."""
    write: str = ""
    """A pcapng of what the stack sent; "-" for stdout, "" for none."""


class Schedule(msgspec.Struct, frozen=True):
    """How long after its time a frame was sent, in microseconds."""

    p50_us: int
    p99_us: int
    max_us: int


class LiveReport(msgspec.Struct, frozen=True):
    """`neatctl replay FILE --live --json`."""

    schema: int
    file: str
    speed: str
    servers: list[str]
    guess: str
    """Why these are taken for the server, or "" where the user said so."""
    appliance: str
    frames: int
    """In the file, those among them that the expression did not choose."""
    passed_over: int
    sent: int
    not_sent: dict[str, int]
    """By the reasons of testbed/replay/rewrite.py."""
    arp: int
    """Sent as they are, among `sent`."""
    moved: dict[str, str]
    """Source addresses that the clients' kernel or the stack has, and what they became."""
    moved_frames: int
    truncated: int
    """Sent although the capture has only their beginning."""
    lost: int
    """Frames that found the queue to the driver full; they count as sent unless the kernel says it at once."""
    seconds: float
    frames_per_s: float
    schedule: Schedule | None
    """None with `max`."""
    answers: list[KindCount]
    """Frames that the stack sent meanwhile, by replica and kind."""
    answers_lost: int
    """Copies of such frames that found the mirror full."""
    arp_answered: int
    """Questions of the stack for recorded neighbours, answered in their place."""
    counters: list[CounterRise]
    """Of all components, those that rose."""
    restarts: int
    """Components that were replaced meanwhile."""
    interrupted: bool
    cut: bool
    """The file ends within a record."""
    bad: str
    """Where the file stopped making sense, or ""."""
    error: str
    """Why not all could be sent, or ""."""
    notes: list[str]


def speed_of(text: str) -> tuple[int, int]:
    """Numerator and denominator of a speed; (0, 1) for `max`. CannotReplay."""
    if text == "max":
        return 0, 1
    with contextlib.suppress(ValueError, ZeroDivisionError):
        factor = Fraction(text).limit_denominator(_DENOMINATOR)
        if 0 < factor <= 1_000_000:
            return factor.numerator, factor.denominator
    raise CannotReplay(f"a speed is a factor from 0.001 to 1000000, for example 10, or `max`, not {text!r}")


def replay_live(
    run: RunDirectory, path: Path, options: Options, progress: Callable[[int], None] = lambda _octets: None
) -> LiveReport:
    """Do it; `progress(octets)` is called with how far the file was read. Ctrl-C ends it in order, with a report.
    CannotReplay, BadCapture, BadFilter, OSError (file), client.NotRunning, client.Unresponsive, NoMirror."""
    numerator, denominator = speed_of(options.speed)
    if options.expression:
        bpf(options.expression)
    client.require_running(run)
    before = _status(run)
    record = run.record()
    if record is None or before.state not in {"serving", "degraded"}:
        raise client.NotRunning(f"the testbed {run.name} does not serve yet: it is {before.state}")
    servers, guess, notes = _servers(path, options, Fraction(numerator, denominator))
    with open_output(options.write) as output:
        writer = PcapngWriter(f"neatctl {__version__}") if output is not None else None
        reader = MirrorReader(writer)
        with open_mirror(run, reader) as mirror:
            appliance, _, prefix_length = before.address.partition("/")
            order = Order(
                str(path.resolve()) if path.is_file() else "",
                options.expression,
                record.client_netns,
                record.supervisor.pid,
                servers,
                _number(appliance),
                _number(before.client_address),
                int(prefix_length),
                mirror.place.mac,
                numerator,
                denominator,
            )
            # A pipe may be this process's own, so the other one gets it open.
            with contextlib.nullcontext(subprocess.DEVNULL) if path.is_file() else open(path, "rb") as stdin:
                sent = _Sending(order, mirror, lambda: write_out(writer, output), progress).run(stdin)
    if sent.forwards:
        notes.append("the clients' kernel forwards packets (ip_forward): answers to recorded addresses may have left")
    after = _status(run)
    return _report(path, options, order, guess, sent, reader, before, after, notes)


class _Sending:
    """The sending process and the mirror, side by side."""

    def __init__(
        self, order: Order, mirror: MirrorClient, flush: Callable[[], None], progress: Callable[[int], None]
    ) -> None:
        self._order = order
        self._mirror = mirror
        self._flush = flush
        self._progress = progress
        self._said = Sent()
        self._rest = b""

    def run(self, stdin: int | IO[bytes]) -> Sent:
        """Until all is sent, and the counters of it have come; `stdin` is the sending process's."""
        argv = [sys.executable, "-m", "neatctl.testbed.replay.sender", msgspec.json.encode(self._order).decode()]
        # In a session of its own: Ctrl-C is for this process, which then asks it to end.
        with subprocess.Popen(
            argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                self._follow(process.stdout)
            except KeyboardInterrupt:
                process.terminate()
                with contextlib.suppress(KeyboardInterrupt):
                    self._follow(process.stdout)
                self._said.interrupted = True
            except BaseException:
                process.kill()
                raise
            if not self._said.done:
                process.kill()
                if not self._said.interrupted:
                    lines = process.stderr.read().decode(errors="replace").strip().splitlines()
                    self._said.error = lines[-1] if lines else "the sending process ended"
        end = time.monotonic() + _BEATS_S
        while time.monotonic() < end:
            self._read_mirror()
            time.sleep(LOOK_S)
        return self._said

    def _follow(self, stdout: IO[bytes]) -> None:
        """Read what the process says and what the stack sends until it has ended."""
        waiting = select.poll()
        waiting.register(stdout, select.POLLIN)
        checked = time.monotonic()
        while True:
            taken = self._read_mirror()
            if time.monotonic() - checked > _BEATS_S:
                self._mirror.check()
                checked = time.monotonic()
            if not waiting.poll(0 if taken else LOOK_S * 1000):
                continue
            octets = stdout.read1(1 << 20)  # type: ignore[attr-defined]
            if not octets:
                return
            *lines, self._rest = (self._rest + octets).split(b"\n")
            for line in lines:
                self._said = msgspec.json.decode(line, type=Sent)
            self._progress(self._said.octets_read)

    def _read_mirror(self) -> int:
        taken = self._mirror.read()
        self._flush()
        return taken


def _servers(path: Path, options: Options, speed: Fraction) -> tuple[list[int], str, list[str]]:
    """Who is the server: numbers (none for all), why if that is a guess, and notes."""
    if options.servers:
        if "any" in options.servers:
            return [], "", []
        try:
            return [_number(server) for server in options.servers], "", []
        except ValueError:
            raise CannotReplay(f"--server takes IPv4 addresses, or `any`, not {', '.join(options.servers)}") from None
    if not path.is_file():
        with open(path, "rb"):
            raise CannotReplay("a pipe can be read once only: say with --server which address is the server's")
    survey = Survey()
    with open_capture(path) as file:
        while _more(file):
            front = LINKS.get(file.capture.link)
            if front is not None:
                survey.count(file.capture.memory, file.places, file.count, file.capture.link, front)
    server, why = survey.guess()
    notes: list[str] = []
    if not server:
        if not survey.frames:
            return [0], "no frame has an address", notes
        raise CannotReplay("no IPv4 frame of it goes to a host; --server any sends what there is")
    lasts_s = (survey.last_ns - survey.first_ns) / speed / 10**9 if speed and survey.first_ns else 0
    if lasts_s > 600:
        notes.append(f"at speed {options.speed} the capture lasts {lasts_s / 3600:.1f} hours; --speed makes it shorter")
    return [server], why, notes


def _more(file: CaptureFile) -> bool:
    """The next batch; a file that stops making sense ends there, which the sending process will say."""
    try:
        return file.read()
    except BadCapture:
        return False


def _report(
    path: Path,
    options: Options,
    order: Order,
    guess: str,
    sent: Sent,
    reader: MirrorReader,
    before: Status,
    after: Status,
    notes: list[str],
) -> LiveReport:
    rises = counter_rises(before, after)
    lost = sum(rise.rise for rise in rises if rise.counter == "mirror_full")
    network = Network(order.appliance, order.client, order.prefix_length)
    first = network.free()
    moved = {order.client: first, order.appliance: network.free(first) or first} if first and sent.moved else {}
    return LiveReport(
        schema=SCHEMA,
        file=str(path),
        speed=options.speed,
        servers=[_address(server) for server in order.servers] or ["any"],
        guess=guess,
        appliance=_address(order.appliance),
        frames=sent.frames,
        passed_over=sent.passed_over,
        sent=sent.sent,
        not_sent=sent.not_sent,
        arp=sent.arp,
        moved={_address(source): _address(target) for source, target in moved.items()},
        moved_frames=sent.moved,
        truncated=sent.truncated,
        lost=sent.lost,
        seconds=sent.seconds,
        frames_per_s=round(sent.sent / sent.seconds, 1) if sent.seconds else 0.0,
        schedule=_schedule(sent.lateness_us),
        answers=[count for count in kind_counts(reader) if count.direction == "sent"],
        answers_lost=lost,
        arp_answered=sent.arp_answered,
        counters=rises,
        restarts=restarts(before, after),
        interrupted=sent.interrupted,
        cut=sent.cut,
        bad=sent.bad,
        error=sent.error,
        notes=notes,
    )


def _schedule(lateness_us: list[tuple[int, int]]) -> Schedule | None:
    """Percentiles of values with their counts, in order."""
    total = sum(count for _, count in lateness_us)
    if not total:
        return None

    def percentile(percent: int) -> int:
        rank = -(-total * percent // 100)
        for value, count in lateness_us:
            rank -= count
            if rank <= 0:
                return value
        return lateness_us[-1][0]

    return Schedule(percentile(50), percentile(99), lateness_us[-1][0])


def _status(run: RunDirectory) -> Status:
    return msgspec.json.decode(client.ask(run, "status").body, type=Status)


def _number(address: str) -> int:
    return int(ipaddress.IPv4Address(address))


def _address(number: int) -> str:
    return str(ipaddress.IPv4Address(number))
