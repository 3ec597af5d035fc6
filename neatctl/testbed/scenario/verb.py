"""The work of `neatctl scenario` and of `neatctl replay FILE.toml`: run, check, report as table, JSON or JUnit XML."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import msgspec

from neatctl.testbed.json_schema import page, schema_of
from neatctl.testbed.scenario import model
from neatctl.testbed.scenario.judge import Verdict, judge
from neatctl.testbed.scenario.model import SCHEMA, Scenario
from neatctl.testbed.scenario.reading import BadScenario, read_scenario
from neatctl.testbed.scenario.runner import Broken, run_scenario
from neatctl.testbed.screens import note, show_table
from neatctl.testbed.verbs import DID_NOT_HOLD, HELD, USAGE


class ScenarioReport(msgspec.Struct, frozen=True):
    """One scenario's run."""

    file: str
    title: str
    held: bool
    seconds: float
    verdicts: list[Verdict]
    broken: str = ""
    """Why it could not be run to its end, or ""."""


class Reports(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    schema: int
    held: bool
    scenarios: list[ScenarioReport]


def run_files(files: Sequence[Path], as_json: bool, junit: Path | None) -> int:
    """Run scenarios one after the other; 0 if all held, 1 if not, 2 if one cannot be read (then none is run)."""
    try:
        scenarios = [(file, read_scenario(file)) for file in files]
    except (BadScenario, OSError) as error:
        _complain(error)
        return USAGE
    if junit is not None and not junit.parent.is_dir():
        note(f"neatctl: {junit.parent} is no directory")
        return USAGE
    reports = []
    for file, scenario in scenarios:
        note(f"{file}: {scenario.title}")
        report = run_one(file, scenario)
        reports.append(report)
        if not as_json:
            _show(report)
    held = all(report.held for report in reports)
    if as_json:
        print(msgspec.json.encode(Reports(SCHEMA, held, reports)).decode())
    if junit is not None:
        junit.write_bytes(junit_xml(reports))
    return HELD if held else DID_NOT_HOLD


def run_one(file: Path, scenario: Scenario) -> ScenarioReport:
    """Run one, and judge what was seen."""
    begun = time.monotonic()
    broken = ""
    verdicts: list[Verdict] = []
    try:
        observed = run_scenario(scenario, file.parent, lambda line: note(f"  {line}"))
        verdicts = judge(scenario, observed)
    except Broken as error:
        broken = str(error)
    held = not broken and all(verdict.held for verdict in verdicts)
    return ScenarioReport(str(file), scenario.title, held, round(time.monotonic() - begun, 3), verdicts, broken)


def check_files(files: Sequence[Path]) -> int:
    """Read scenarios without running them; 0 if all are sound, else 2 and a line for each that is not."""
    code = HELD
    for file in files:
        try:
            scenario = read_scenario(file)
        except (BadScenario, OSError) as error:
            _complain(error)
            code = USAGE
        else:
            print(f"{file}: sound, {len(scenario.steps())} steps, {len(scenario.expect)} expectations")
    return code


def schema_text() -> str:
    """The JSON Schema of a scenario."""
    return page(schema_of(Scenario, model))


def junit_xml(reports: Sequence[ScenarioReport]) -> bytes:
    """One test suite a scenario, one test case an expectation."""
    suites = ET.Element("testsuites", name="neatctl scenarios")
    for report in reports:
        failures = sum(not verdict.held for verdict in report.verdicts)
        cases = len(report.verdicts) + bool(report.broken)
        suite = ET.SubElement(
            suites,
            "testsuite",
            name=report.title,
            tests=str(cases),
            failures=str(failures),
            errors=str(int(bool(report.broken))),
            time=f"{report.seconds:.3f}",
        )
        for verdict in report.verdicts:
            case = ET.SubElement(suite, "testcase", name=f"{verdict.what} {verdict.expected}", classname=report.file)
            if not verdict.held:
                ET.SubElement(case, "failure", message=verdict.reason or f"measured {_number(verdict.measured)}")
        if report.broken:
            case = ET.SubElement(suite, "testcase", name="runs to its end", classname=report.file)
            ET.SubElement(case, "error", message=report.broken)
    octets: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return octets


def _show(report: ScenarioReport) -> None:
    rows = [
        ("PASS" if seen.held else "FAIL", seen.what, seen.expected, seen.reason or _number(seen.measured))
        for seen in report.verdicts
    ]
    show_table(f"{report.file}: {report.title}", ("", "what", "expected", "measured"), rows)
    if report.broken:
        note(f"neatctl: {report.broken}")
    print(f"{'PASS' if report.held else 'FAIL'}  {report.file} ({report.seconds:.1f} s)")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"


def _complain(error: Exception) -> None:
    if isinstance(error, OSError):
        note(f"neatctl: {error.filename}: {error.strerror}")
    else:
        note(f"neatctl: {error}")
