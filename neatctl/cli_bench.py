"""The command line of `neatctl bench`: its options and those of `bench compare`, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neatctl.core.process.run_directory import BadName, RunDirectory
from neatctl.testbed import verbs
from neatctl.testbed.screens import note

Preset = Annotated[
    str,
    typer.Option(
        metavar="persistent|tuned|churn|sizes",
        help="20-octet file with 100, 1,000 or 1 requests on a connection; or files of 1 octet to 10 MB.",
    ),
]
Connections = Annotated[int | None, typer.Option(help="Open at once. [default: 64; sizes: 8]")]
RequestsPerConnection = Annotated[
    int | None, typer.Option(help="Before it is closed. 0: until the server does. [default: the preset's]")
]
Seconds = Annotated[float, typer.Option(help="Measured in each repetition.")]
Rate = Annotated[
    float | None,
    typer.Option(
        help="Requests/s that are due at fixed times (open loop): latency is then corrected for coordinated "
        "omission. [default: each as soon as the last was answered]"
    ),
]
Octets = Annotated[
    str | None,
    typer.Option("--bytes", metavar="SIZE[,SIZE]...", help="Of the file: 20, 64k, 10M. [default: the preset's]"),
]
UrlPath = Annotated[
    str | None, typer.Option(help="Ask for this instead, of a testbed that runs. [default: by size, as /20b]")
]
WarmUp = Annotated[float, typer.Option(help="Seconds of load before each measurement.")]
Repetitions = Annotated[int, typer.Option(help="Of each workload; 4 or more tell noise from a difference.")]
Seed = Annotated[int, typer.Option(help="Of the load and of the files' octets.")]
Workers = Annotated[
    str,
    typer.Option(
        metavar="N[,N]...",
        help="Web servers, each asked by a load process of its own; these share connections and rate. Of a testbed "
        "that runs, load processes alone. Several: a sweep.",
    ),
]
Client = Annotated[str, typer.Option(metavar="own|wrk|httperf", help="The load client.")]
Timeout = Annotated[float, typer.Option(help="Seconds for an answer, or to connect.")]
Name = Annotated[
    str | None,
    typer.Option(
        envvar="NEATCTL_NAME",
        help="The testbed to load. Where none of this name runs, one comes up and goes again. "
        "[default: one of its own]",
    ),
]
Replicas = Annotated[
    str | None,
    typer.Option(
        envvar="NEATCTL_REPLICAS",
        metavar="N[,N]...",
        help="Of a testbed of its own. Several: a sweep, a fresh testbed each. [default: 2]",
    ),
]
Versus = Annotated[
    str | None,
    typer.Option(
        metavar="linux|limit|linux,limit",
        help="Take turns with lighttpd on the Linux stack, or with the ceiling: what the device and the load "
        "client allow here.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON (docs/bench-schema.json).")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print a row for each run.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Keep report, rows, histograms and environment here.")]
Plot = Annotated[bool, typer.Option("--plot", help="Draw the figures there too, as PNG and SVG.")]

app = typer.Typer(name="bench", invoke_without_command=True, rich_markup_mode=None, subcommand_metavar="[compare A B]")


@app.callback()
def bench(
    context: typer.Context,
    preset: Preset = "persistent",
    connections: Connections = None,
    requests_per_connection: RequestsPerConnection = None,
    seconds: Seconds = 3.0,
    rate: Rate = None,
    octets: Octets = None,
    path: UrlPath = None,
    warm_up: WarmUp = 1.0,
    repetitions: Repetitions = 5,
    seed: Seed = 1,
    workers: Workers = "1",
    client: Client = "own",
    timeout: Timeout = 5.0,
    name: Name = None,
    replicas: Replicas = None,
    versus: Versus = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    out: Out = None,
    plot: Plot = False,
) -> None:
    """Load a testbed from its clients' side, and report throughput, latency, errors, losses and CPU.

    Errors are never counted as success; with any of them the exit code is 1."""
    if context.invoked_subcommand is not None:
        return
    from neatctl.testbed.bench.session import Options
    from neatctl.testbed.bench.session import bench as run_bench
    from neatctl.testbed.bench.workload import Asked
    from neatctl.testbed.client import NotRunning, Unresponsive

    asked = Asked(
        preset, connections, requests_per_connection, seconds, warm_up, rate, octets, path, timeout, client=client
    )
    try:
        if name is not None:
            RunDirectory(name)
        against = tuple(versus.split(",")) if versus is not None else ()
        code = run_bench(
            Options(asked, name, replicas, workers, against, repetitions, seed, as_json, as_csv, out, plot)
        )
    except BadName as error:
        note(f"neatctl: {error}")
        code = verbs.USAGE
    except NotRunning as error:
        note(f"neatctl: {error}")
        code = verbs.NOT_RUNNING
    except Unresponsive as error:
        note(f"neatctl: {error}")
        code = verbs.DID_NOT_HOLD
    raise typer.Exit(code)


@app.command("compare")
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A directory of --out, or a report as JSON.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another; ratios are B over A.")],
    fail_below: Annotated[
        float | None, typer.Option(metavar="RATIO", help="Exit with 1 if a ratio of requests/s is below this.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the ratios of two reports with their spread over the repetitions, and say what the noise hides."""
    from neatctl.testbed.bench.session import compare_files

    raise typer.Exit(compare_files(first, second, fail_below, as_json))
