"""The work of `neatctl replay FILE --live`: mistakes in one line, progress, and the report for people."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from neatctl.core.process.run_directory import RunDirectory
from neatctl.nic.devices.pcap import BadCapture
from neatctl.testbed.replay import screens
from neatctl.testbed.replay.capture import show_kinds
from neatctl.testbed.replay.capture_file import BadFilter
from neatctl.testbed.replay.live import CannotReplay, LiveReport, Options, replay_live
from neatctl.testbed.replay.mirror_client import NoMirror
from neatctl.testbed.replay.rewrite import NOT_SENT
from neatctl.testbed.screens import note, show_table
from neatctl.testbed.verbs import DID_NOT_HOLD, HELD, USAGE


def run_live(run: RunDirectory, path: Path, options: Options, as_json: bool) -> int:
    """Replay into a running testbed; 0, 1 if not all could be sent or a component was restarted, 2 for bad usage."""
    if options.write == "-" and (as_json or sys.stdout.isatty()):
        note("neatctl: --write - is for a pipe, for example `neatctl replay FILE --live --write - | tshark -r -`")
        return USAGE
    try:
        with screens.progress_of(path.name, path.stat().st_size) as progress:
            report = replay_live(run, path, options, progress)
    except BadCapture as error:
        note(f"neatctl: {path}: {error}")
        return USAGE
    except (BadFilter, CannotReplay) as error:
        note(f"neatctl: {error}")
        return USAGE
    except NoMirror as error:
        note(f"neatctl: {error}")
        return DID_NOT_HOLD
    except OSError as error:
        note(f"neatctl: {error.filename or path}: {error.strerror}")
        return USAGE
    if report.bad and not report.frames:
        note(f"neatctl: {path}: {report.bad}")
        return USAGE
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        _show(report, options.write == "-")
    return DID_NOT_HOLD if report.bad or report.error or report.restarts or report.interrupted else HELD


def _show(report: LiveReport, notes_alone: bool) -> None:
    whose = f" (guessed: {report.guess}; --server says otherwise)" if report.guess else ""
    note(f"the server of the capture is {', '.join(report.servers)}{whose}; here it is {report.appliance}")
    if not notes_alone:
        show_kinds(report.answers)
        rows = [(rise.component, rise.index, rise.counter, rise.rise, rise.meaning) for rise in report.counters]
        show_table("counters that rose", ("component", "#", "counter", "by", "meaning"), rows, (1, 3))
    note(f"{report.frames:,} frames in the capture, {report.sent:,} sent in {report.seconds:.3f} s "
         f"({report.frames_per_s:,.0f} frames/s), {report.lost:,} lost in the queue to the driver")  # fmt: skip
    for reason, count in report.not_sent.items():
        note(f"{count:,} not sent ({reason}): {NOT_SENT[reason]}")
    if report.moved_frames:
        moved = ", ".join(f"{source} to {target}" for source, target in report.moved.items())
        note(f"{report.moved_frames:,} came from addresses that are taken here; moved: {moved}")
    if report.truncated:
        note(f"{report.truncated:,} were captured in part, and sent so")
    if report.schedule is not None:
        late = report.schedule
        note(f"sent after their time by {late.p50_us} us (median), {late.p99_us} us (p99), {late.max_us} us (most)")
    if report.answers_lost:
        note(f"{report.answers_lost:,} frames of the stack came faster than they were read, and are not counted above")
    for text in report.notes:
        note(text)
    if report.restarts:
        note(f"{report.restarts} components were restarted meanwhile: see `neatctl events`")
    if report.cut:
        note("the file ends within a record: it was cut off; everything before was played")
    if report.bad:
        note(f"{report.file}: {report.bad}; everything before was played")
    if report.error:
        note(f"neatctl: {report.error}")
    if report.interrupted:
        note("interrupted: the rest was not sent")
