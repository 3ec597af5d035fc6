"""Reports as JSON, rows and directories: what is kept can be read again, and what is no report is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from msgspec.structs import replace

from neatctl.testbed.bench import keep, results
from neatctl.testbed.bench.results import BadReport, Errors
from tests.testbed.bench.reports import report, result
from tests.testbed.bench.test_outcome import latency
from tools.schemas import pages


def test_a_report_is_read_as_it_was_written() -> None:
    made = report(result([100.0, 200.0]))
    assert results.decode(results.encode(made), "here") == made


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "not a report"),
        (b"[1]", "not a report"),
        (b"{}", "not a report"),
        (b'{"kind": "neatctl bench", "schema": 99}', "schema 99"),
        (b'{"kind": "neatctl bench", "schema": 1}', "not a report of `neatctl bench`: Object missing"),
        (b"\xff\xfe", "not a report"),
    ],
)
def test_what_is_no_report_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(BadReport) as caught:
        results.decode(text, "a/file")
    assert said in str(caught.value)
    assert str(caught.value).startswith("a/file: ")


def test_the_schema_names_everything_that_a_report_has() -> None:
    definitions = json.loads(pages()["bench-schema.json"])["$defs"]

    def check(value: object, name: str) -> None:
        record = definitions[name]
        assert isinstance(value, dict)
        assert set(value) == set(record["properties"]), name
        assert set(record["required"]) <= set(value)
        for field, of in record["properties"].items():
            options = [of, *of.get("anyOf", []), of.get("items", {})]
            names = [option["$ref"].rpartition("/")[2] for option in options if "$ref" in option]
            below = value[field]
            for each in below if isinstance(below, list) else [below]:
                if names and each is not None:
                    check(each, names[0])

    check(json.loads(results.encode(report(result([1.0])))), "Report")


def test_errors_are_their_sum() -> None:
    assert Errors(reset=1, status=2, ports=3).total() == 6


def test_everything_that_is_kept_is_there(tmp_path: Path) -> None:
    directory = tmp_path / "kept"
    made = result([100.0, 200.0])
    runs = [replace(each, latency=latency([50, 60, 7000 * each.repetition])) for each in made.runs]
    made_report = report(replace(made, runs=runs))
    assert keep.usable(directory) == ""
    keep.keep(directory, made_report, {"schema": 1, "command": ["neatctl", "bench"]})
    assert keep.read(directory) == keep.read(directory / "report.json") == made_report
    rows = list(csv.DictReader(io.StringIO((directory / "runs.csv").read_text())))
    assert [row["requests_per_s"] for row in rows] == ["100.0", "200.0"]
    assert rows[0]["cpu_us_per_request_machine"] == "20.0"
    assert rows[0]["replica_1_connections"] == "70"
    (log,) = (directory / "histograms").iterdir()
    longest_ms = [line.split(",")[2] for line in log.read_text().splitlines() if line[0].isdigit()]
    assert [float(each) for each in longest_ms] == [7.0, 14.0]
    reader = HistogramLogReader(str(log), HdrHistogram(1, 3_600_000_000, 3))
    counts = [reader.get_next_interval_histogram().get_max_value() for _ in range(2)]
    reader.close()
    assert counts == pytest.approx([7000, 14000], rel=0.001)
    assert "not empty" in keep.usable(directory)
    assert "is no directory" in keep.usable(directory / "runs.csv")


def test_a_directory_without_a_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadReport, match=r"report\.json: No such file"):
        keep.read(tmp_path)
