"""What is told of scenarios that were run: the record of `--json`, JUnit XML for CI systems, and a table for people."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import msgspec

from neatctl.testbed.scenario.judge import Verdict
from neatctl.testbed.screens import note, show_table

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What cannot stand in XML 1.0 (section 2.2), escaped or not."""


class StepReport(msgspec.Struct, frozen=True):
    """One step: what was done, and when."""

    what: str
    at_s: float
    """When it was due, from the start, after the seed's jitter."""
    begun_s: float
    exit_code: int
    error: str


class ScenarioReport(msgspec.Struct, frozen=True):
    """One scenario's run."""

    file: str
    title: str
    held: bool
    seconds: float
    verdicts: list[Verdict]
    broken: str = ""
    """Why it could not be run to its end, or ""."""
    seed: int = 1
    chosen_replica: int | None = None
    """What "any" meant."""
    steps: list[StepReport] = []


class Reports(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    schema: int
    held: bool
    scenarios: list[ScenarioReport]


def junit_xml(reports: Sequence[ScenarioReport]) -> bytes:
    """One test suite a scenario, one test case an expectation."""
    suites = ET.Element("testsuites", name="neatctl scenarios")
    for report in reports:
        suite = ET.SubElement(suites, "testsuite", name=_legal(report.title), time=f"{report.seconds:.3f}")
        file = _legal(report.file)
        for verdict in report.verdicts:
            name = _legal(f"{verdict.what} {verdict.expected}")
            case = ET.SubElement(suite, "testcase", name=name, classname=file, time="0")
            if not verdict.held:
                ET.SubElement(case, "failure", message=_legal(verdict.reason or f"measured {number(verdict.measured)}"))
        if report.broken:
            case = ET.SubElement(suite, "testcase", name="runs to its end", classname=file, time="0")
            ET.SubElement(case, "error", message=_legal(report.broken))
        done = "".join(f"{step.begun_s:.3f} s  {step.what}\n" for step in report.steps)
        ET.SubElement(suite, "system-out").text = _legal(done)
        _count(suite)
    _count(suites)
    octets: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return octets


def _count(element: ET.Element) -> None:
    """How many cases there are in it, and how many that did not pass."""
    for name, path in (("tests", ".//testcase"), ("failures", ".//failure"), ("errors", ".//error")):
        element.set(name, str(len(element.findall(path))))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)


def show(report: ScenarioReport) -> None:
    """The verdicts as a table, and what they come to."""
    rows = [
        ("PASS" if seen.held else "FAIL", seen.what, seen.expected, seen.reason or number(seen.measured))
        for seen in report.verdicts
    ]
    show_table(f"{report.file}: {report.title}", ("", "what", "expected", "measured"), rows)
    if report.broken:
        note(f"neatctl: {report.broken}")
    print(f"{'PASS' if report.held else 'FAIL'}  {report.file} ({report.seconds:.1f} s)", flush=True)


def number(value: float | None) -> str:
    """A measure for people."""
    return "-" if value is None else f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"
