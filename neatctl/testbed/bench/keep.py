"""Reports on disk: the directory of `--out`, the rows of `--csv`, and reading them back.

DIR/report.json (the report, histograms in it), runs.csv, environment.json, and histograms/*.hlog, one file for each
result with an interval for each run, in the log format that HdrHistogram's own tools read.
"""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path

import msgspec
from hdrh.log import HistogramLogWriter

from neatctl.testbed.bench import results
from neatctl.testbed.bench.outcome import histogram
from neatctl.testbed.bench.results import BadReport, Report, Result, Run

REPORT = "report.json"
_US_IN_MS = 1000


def usable(directory: Path) -> str:
    """Why nothing can be kept there; "" if it can."""
    if directory.exists() and not directory.is_dir():
        return f"{directory} is no directory"
    if directory.is_dir() and any(directory.iterdir()):
        return f"{directory} is not empty: give a new directory, so that nothing is overwritten"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"{directory}: {error.strerror}"
    if not os.access(directory, os.W_OK | os.X_OK):
        return f"{directory} cannot be written to"
    return ""


def keep(directory: Path, report: Report, environment: dict[str, object]) -> None:
    """Write everything; the directory is there."""
    (directory / REPORT).write_bytes(results.encode(report) + b"\n")
    (directory / "runs.csv").write_text(rows(report), encoding="utf-8")
    (directory / "environment.json").write_bytes(msgspec.json.format(msgspec.json.encode(environment)) + b"\n")
    (directory / "histograms").mkdir(exist_ok=True)
    for number, result in enumerate(report.results, 1):
        name = re.sub(r"[^\w]+", "-", f"{number}-{result.target.name}{result.workload.path}")
        text = hlog(result)
        if text:
            (directory / "histograms" / f"{name}.hlog").write_text(text, encoding="ascii")


def hlog(result: Result) -> str:
    """The latencies of all runs as a histogram log, "" where the client keeps none. Values in it are microseconds."""
    kept = [run for run in result.runs if run.latency.hdr]
    if not kept:
        return ""
    out = io.StringIO()
    writer = HistogramLogWriter(out)
    begun_s = kept[0].begun_unix_s
    writer.output_comment(f"neatctl bench: {result.target.name} {result.workload.path}, latency in microseconds")
    writer.output_log_format_version()
    # output_start_time of the library fails on any time.
    writer.output_comment(f"[StartTime: {begun_s:.3f} (seconds since epoch)]")
    writer.output_base_time(int(begun_s * 1000))
    writer.output_legend()
    for run in kept:
        at_s = run.begun_unix_s - begun_s
        writer.output_interval_histogram(histogram(run.latency.hdr), at_s, at_s + run.seconds, _US_IN_MS)
    return out.getvalue()


def read(path: Path) -> Report:
    """The report of a directory of `--out`, or of a JSON file. BadReport if there is none."""
    file = path / REPORT if path.is_dir() else path
    try:
        text = file.read_bytes()
    except OSError as error:
        raise BadReport(f"{file}: {error.strerror}") from None
    return results.decode(text, str(file))


def rows(report: Report) -> str:
    """A row for each run, with a header; empty cells where a client does not say."""
    out = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    made = [_row(result, run) for result in report.results for run in result.runs]
    columns = list(dict.fromkeys(name for row in made for name in row))
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(made)
    return out.getvalue()


def _row(result: Result, run: Run) -> dict[str, object]:
    workload = result.workload
    row: dict[str, object] = {
        "target": result.target.name,
        "replicas": result.target.replicas,
        "beside_replicas": result.target.beside_replicas,
        "preset": workload.preset,
        "path": workload.path,
        "octets": workload.octets,
        "connections": workload.connections,
        "requests_per_connection": workload.requests_per_connection,
        "rate": workload.rate,
        "workers": workload.workers,
        "client": workload.client,
        "repetition": run.repetition,
        "seed": run.seed,
        "seconds": run.seconds,
        "requests": run.requests,
        "requests_per_s": run.requests_per_s,
        "octets_per_s": run.octets_per_s,
        "connections_achieved": run.connections_achieved,
        "connections_opened": run.connections_opened,
        "errors_total": run.errors_total,
        **{f"errors_{name}": count for name, count in msgspec.structs.asdict(run.errors).items()},
        "unanswered": run.unanswered,
        "unsent": run.unsent,
    }
    for kind in ("latency", "service_time", "connect_time"):
        times = getattr(run, kind)
        if times is not None:
            for name in ("mean", "p50", "p90", "p99", "p99_9", "p99_99", "max"):
                row[f"{kind}_{name}_us"] = getattr(times, name)
    for component, spent in (run.cpu.us_per_request if run.cpu is not None else {}).items():
        row[f"cpu_us_per_request_{component.replace(' ', '_')}"] = spent
    for replica in run.replicas:
        row[f"replica_{replica.index}_connections"] = replica.connections_accepted
        row[f"replica_{replica.index}_connections_lost"] = replica.connections_lost
    return row
