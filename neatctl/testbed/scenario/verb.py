"""The work of `neatctl scenario` and of `neatctl replay FILE.toml`: run, check, report as table, JSON or JUnit XML."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from neatctl.testbed.endings import ended_in_order
from neatctl.testbed.json_schema import page, schema_of
from neatctl.testbed.scenario import model
from neatctl.testbed.scenario.judge import Verdict, judge
from neatctl.testbed.scenario.model import SCHEMA, Scenario
from neatctl.testbed.scenario.plan import plan_of
from neatctl.testbed.scenario.reading import BadScenario, read_scenario
from neatctl.testbed.scenario.report import Reports, ScenarioReport, StepReport, junit_xml, show
from neatctl.testbed.scenario.runner import Broken, describe, run_scenario
from neatctl.testbed.screens import note
from neatctl.testbed.verbs import DID_NOT_HOLD, HELD, USAGE


def run_files(files: Sequence[Path], as_json: bool, junit: Path | None) -> int:
    """Run scenarios one after the other; 0 if all held, 1 if not, 2 if one cannot be read (then none is run)."""
    try:
        scenarios = [(file, read_scenario(file)) for file in files]
    except (BadScenario, OSError) as error:
        _complain(error)
        return USAGE
    if junit is not None:
        try:
            junit.write_bytes(junit_xml([]))
        except OSError as error:
            _complain(error)
            return USAGE
    reports = []
    with ended_in_order():
        for file, scenario in scenarios:
            note(f"{file}: {scenario.title}")
            report = run_one(file, scenario)
            reports.append(report)
            if not as_json:
                show(report)
            if junit is not None:
                junit.write_bytes(junit_xml(reports))
    held = all(report.held for report in reports)
    if as_json:
        print(msgspec.json.encode(Reports(SCHEMA, held, reports)).decode())
    return HELD if held else DID_NOT_HOLD


def run_one(file: Path, scenario: Scenario) -> ScenarioReport:
    """Run one, and judge what was seen."""
    begun = time.monotonic()
    broken = ""
    verdicts: list[Verdict] = []
    steps: list[StepReport] = []
    try:
        observed = run_scenario(scenario, file.parent, lambda line: note(f"  {line}"))
    except Broken as error:
        broken = str(error)
    else:
        verdicts = judge(scenario, observed)
        steps = [
            StepReport(describe(done.step), round(done.at_s, 3), round(done.begun_s, 3), done.exit_code, done.error)
            for done in observed.done
        ]
    return ScenarioReport(
        file=str(file),
        title=scenario.title,
        held=not broken and all(verdict.held for verdict in verdicts),
        seconds=round(time.monotonic() - begun, 3),
        verdicts=verdicts,
        broken=broken,
        seed=scenario.seed,
        chosen_replica=plan_of(scenario).chosen,
        steps=steps,
    )


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
            print(f"{file}: sound, {len(plan_of(scenario).dues)} steps, {len(scenario.expect)} expectations")
    return code


def schema_text() -> str:
    """The JSON Schema of a scenario."""
    return page(schema_of(Scenario, model))


def _complain(error: Exception) -> None:
    if isinstance(error, OSError):
        note(f"neatctl: {error.filename}: {error.strerror}")
    else:
        note(f"neatctl: {error}")
