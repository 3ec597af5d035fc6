"""What the figures show, as numbers; and, where matplotlib is, files that are what their names say."""

from __future__ import annotations

import math
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from msgspec.structs import replace

from neatctl.testbed.bench import plots
from neatctl.testbed.bench.outcome import result_of
from neatctl.testbed.bench.results import Latency, Result, TargetFacts, Workload
from neatctl.testbed.bench.series import plots_of
from tests.testbed.bench.reports import report, run
from tests.testbed.bench.test_versus import SWEPT, ours


def latency(values: range) -> Latency:
    made = HdrHistogram(1, 3_600_000_000, 3)
    for value in values:
        made.record_value(value)
    return Latency(count=len(values), min=values[0], max=values[-1], p50=100, p99=200, hdr=made.encode().decode())


def of_size(octets: int, rate: float, times: Latency | None = None) -> Result:
    runs = [run(rate), run(rate * 2)]
    if times is not None:
        runs = [replace(one, latency=times) for one in runs]
    return result_of(TargetFacts("neatctl", "http://10.77.0.2", 2), Workload(octets=octets, path=f"/{octets}b"), runs)


def test_throughput_and_latency_against_size() -> None:
    drawn = {plot.name: plot for plot in plots_of(report(of_size(1000, 500.0), of_size(1, 1000.0)))}
    assert list(drawn) == ["throughput-by-size", "requests-by-size", "latency-by-size"]
    (line,) = drawn["requests-by-size"].lines
    assert line.x == (1, 1000)
    assert line.y == (1500, 750)
    assert (line.low, line.high) == ((1000, 500), (2000, 1000))
    (line,) = drawn["throughput-by-size"].lines
    assert line.y == (0.04, 0.04), "5,000 octets/s"
    assert [line.label for line in drawn["latency-by-size"].lines] == ["neatctl, p50", "neatctl, p99"]
    assert [line.y for line in drawn["latency-by-size"].lines] == [(90, 90), (300, 300)]


def test_a_sweep_has_a_line_for_each_number_of_replicas() -> None:
    (plot,) = plots_of(report(*SWEPT))
    assert plot.name == "sweep"
    assert plot.ticks == (1, 2)
    lines = {line.label: line for line in plot.lines}
    assert list(lines) == ["1 replica", "2 replicas", "linux"]
    assert (lines["2 replicas"].x, lines["2 replicas"].y) == ((1, 2), (80, 201.5))
    assert lines["linux"].x == (1,)


def test_with_one_number_of_workers_replicas_are_the_axis() -> None:
    (plot,) = plots_of(report(SWEPT[0], SWEPT[1], SWEPT[3], SWEPT[4]))
    assert plot.x_label == "replicas"
    lines = {line.label: line for line in plot.lines}
    assert (lines["neatctl"].x, lines["neatctl"].y) == ((1, 2), (100, 80))
    assert (lines["linux"].x, lines["linux"].y) == ((1, 2), (90, 110))


def test_percentiles_end_where_requests_are_too_few() -> None:
    (plot,) = plots_of(report(of_size(20, 1000.0, latency(range(1, 1001)))))
    assert (plot.name, plot.x_scale) == ("latency-percentiles", "percentile")
    (line,) = plot.lines
    assert line.x[-1] == 99.9, "2,000 requests in all"
    assert line.y[line.x.index(50.0)] == pytest.approx(500, rel=0.01)
    assert line.y[line.x.index(99.0)] == pytest.approx(990, rel=0.01)
    assert all(a <= b for a, b in zip(line.y, line.y[1:]))


def test_one_result_without_a_histogram_has_no_figure() -> None:
    assert plots_of(report(ours([1.0]))) == []


def test_without_matplotlib_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    assert "pip install" in plots.lacks()
    assert "`plots`" in plots.lacks()


def test_files_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install -e '.[plots]'")
    sized = report(of_size(1000, 500.0, latency(range(1, 1001))), of_size(1, 1000.0, latency(range(1, 101))))
    files = [*plots.draw(report(*SWEPT), tmp_path), *plots.draw(sized, tmp_path)]
    names = {"sweep", "throughput-by-size", "requests-by-size", "latency-by-size", "latency-percentiles"}
    assert {file.name for file in files} == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    for file in files:
        if file.suffix == ".png":
            assert file.read_bytes().startswith(b"\x89PNG\r\n")
        else:
            text = "".join(ET.parse(file).getroot().itertext())
            assert "us" in text or "/s" in text
    swept = "".join(ET.parse(tmp_path / "sweep.svg").getroot().itertext())
    assert "2 replicas" in swept
    assert "linux" in swept
    again = tmp_path / "again"
    again.mkdir()
    plots.draw(report(*SWEPT), again)
    assert (again / "sweep.svg").read_bytes() == (tmp_path / "sweep.svg").read_bytes(), "no date, no random names"
    assert math.isclose(plots._beyond(99.0), 100)
