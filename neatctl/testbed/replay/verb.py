"""The work of `neatctl replay`: what its file is, and the replay that this asks for."""

from __future__ import annotations

from pathlib import Path

import msgspec

from neatctl.core.control.scaling import MAX_REPLICAS
from neatctl.nic.devices.pcap import BadCapture
from neatctl.testbed.replay import offline, screens
from neatctl.testbed.replay.capture_file import BadFilter
from neatctl.testbed.replay.filters_file import BadFilters
from neatctl.testbed.screens import note
from neatctl.testbed.verbs import DID_NOT_HOLD, HELD, USAGE

MAX_FLOWS = 1 << 24
"""A table of 1 GiB."""


def run_offline(path: Path, options: offline.Options, as_json: bool) -> int:
    """Play a capture through the NIC alone; 0, 1 if the file stopped making sense, 2 if nothing of it can be played."""
    if not 1 <= options.flows <= MAX_FLOWS:
        note(f"neatctl: --flows is 1 to {MAX_FLOWS:,}, not {options.flows}")
        return USAGE
    if not 1 <= options.replicas <= MAX_REPLICAS:
        note(f"neatctl: --replicas is 1 to {MAX_REPLICAS}, not {options.replicas}")
        return USAGE
    try:
        with screens.progress_of(path.name, path.stat().st_size) as progress:
            report = offline.replay_offline(path, options, progress)
    except BadCapture as error:
        note(f"neatctl: {path}: {error}")
        return USAGE
    except (BadFilter, BadFilters, ValueError) as error:
        note(f"neatctl: {error}")
        return USAGE
    except OSError as error:
        note(f"neatctl: {error.filename or path}: {error.strerror}")
        return USAGE
    if report.bad and not report.frames + report.passed_over:
        note(f"neatctl: {path}: {report.bad}")
        return USAGE
    left_out = sum(report.other_links.values())
    if left_out and left_out == report.frames:
        links = " and ".join(screens.link_name(int(link)) for link in report.other_links)
        note(f"neatctl: {path}: all frames are of {links}; {screens.ONLY}")
        return USAGE
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        screens.show_offline(report)
    return DID_NOT_HOLD if report.bad else HELD
