"""Writes the JSON Schemas of what neatctl prints and reads: `python tools/schemas.py DIRECTORY`.

They are made from the records. The files are committed; tests/test_house.py makes them again and compares, so that they
cannot drift.
"""

from __future__ import annotations

import sys
from pathlib import Path

from neatctl.testbed.bench import results
from neatctl.testbed.json_schema import described, page, schema_of
from neatctl.testbed.replay.stateful import report
from neatctl.testbed.scenario import model


def pages() -> dict[str, str]:
    """Every file by its name."""
    return {
        "bench-schema.json": page(described(results.json_schema(), results)),
        "replay-stateful-schema.json": page(schema_of(report.StatefulReport, report)),
        "scenario-schema.json": page(schema_of(model.Scenario, model)),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (Path(sys.argv[1]) / name).write_text(text)
