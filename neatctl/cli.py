"""The command line: the verbs and their options, nothing else. Their work is in `neatctl/testbed/verbs.py`.

Exit codes: 0 done or held, 1 failed or did not hold, 2 wrong usage, 3 not running. Every option can be
set by an environment variable NEATCTL_*; an option on the line goes before it.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from neatctl import cli_bench, cli_conformance, cli_fetch
from neatctl.cli_options import (
    Address,
    Address6,
    Appliance,
    AtOnce,
    Channel,
    Component,
    Config,
    Connections,
    Detach,
    Ecn,
    Filters,
    Ignore,
    Impair,
    Json,
    Limit,
    Name,
    NewName,
    Placement,
    ReplicaNumber,
    Replicas,
    Seed,
    Server,
    Speed,
    Stateful,
    Timeout,
    Transport,
    Web,
    WithDates,
)
from neatctl.core.process.run_directory import BadName, RunDirectory
from neatctl.testbed import verbs
from neatctl.testbed.screens import note

app = typer.Typer(
    name="neatctl",
    help="A replicated TCP/IP stack behind a software smart NIC, for testbeds: bring it up, scale it, break it.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

app.add_typer(cli_bench.app)
app.add_typer(cli_conformance.app)
app.command()(cli_fetch.fetch)

DEFAULT_NAME = "neat"


def _usage(error: Exception) -> typer.Exit:
    note(f"neatctl: {error}")
    return typer.Exit(verbs.USAGE)


def _run(name: str) -> RunDirectory:
    try:
        return RunDirectory(name)
    except BadName as error:
        raise _usage(error) from None


def _do(work: Callable[[], int]) -> None:
    """Run the work of a verb; its code is the exit code."""
    from neatctl.testbed.client import NotRunning, Unresponsive

    try:
        code = work()
    except NotRunning as error:
        note(f"neatctl: {error}")
        code = verbs.NOT_RUNNING
    except Unresponsive as error:
        note(f"neatctl: {error}")
        code = verbs.DID_NOT_HOLD
    raise typer.Exit(code)


@app.command()
def up(
    replicas: Replicas = None,
    name: NewName = None,
    web: Web = None,
    address: Address = None,
    address6: Address6 = None,
    channel: Channel = None,
    transport: Transport = None,
    impair: Impair = None,
    seed: Seed = None,
    placement: Placement = None,
    ecn: Ecn = None,
    config: Config = None,
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Bring a testbed up, and hold it until Ctrl-C."""
    from neatctl.testbed.settings import BadSetting, settings_from

    options = {
        "replicas": replicas,
        "name": name,
        "web": web,
        "address": address,
        "address6": address6,
        "channel": channel,
        "transport": transport,
        "impair": impair,
        "seed": seed,
        "placement": placement,
        "ecn": ecn,
    }
    try:
        settings = settings_from(options, config)
    except BadSetting as error:
        raise _usage(error) from None
    _run(settings.name)
    _do(lambda: verbs.up(settings, detach, as_json))


@app.command()
def down(
    name: Name = DEFAULT_NAME,
    force: Annotated[bool, typer.Option("--force", help="Clear up after a supervisor that was killed, too.")] = False,
) -> None:
    """Take a testbed down."""
    run = _run(name)
    _do(lambda: verbs.down(run, force))


@app.command()
def status(
    name: Name = DEFAULT_NAME,
    as_json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
) -> None:
    """Show a row for each process of a testbed."""
    run = _run(name)
    _do(lambda: verbs.status(run, as_json, watch, interval))


@app.command("exec")
def execute(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND [ARGUMENT]...", help="What to run.")],
    name: Name = DEFAULT_NAME,
) -> None:
    """Run a command on the clients' side of a testbed; its exit code is ours."""
    run = _run(name)
    _do(lambda: verbs.execute(run, command))


@app.command("inject-fault")
def inject_fault(
    component: Component,
    replica: ReplicaNumber = 0,
    kind: Annotated[str, typer.Option(metavar="kill|segv|hang|exception|spin", help="How it fails.")] = "kill",
    name: Name = DEFAULT_NAME,
    wait: Annotated[bool, typer.Option("--wait", help="Until it serves again.")] = False,
    as_json: Json = False,
) -> None:
    """Make a component fail on purpose."""
    run = _run(name)
    _do(lambda: verbs.inject(run, component, replica, kind, wait, as_json))


@app.command()
def impair(
    frames: Annotated[
        str | None,
        typer.Argument(
            metavar="[IMPAIRMENT]",
            help="What the driver does to frames: words parted by commas, or \"\" for nothing. loss=5%, burst=1%/25% "
            "(a burst of losses begins or ends with these shares), delay=50ms, jitter=5ms, reorder=10%, duplicate=5%, "
            "corrupt=1%, rate=100mbit, limit=1000 (frames that may wait). in: or out: before a word: one direction.",
        ),
    ] = None,
    name: Name = DEFAULT_NAME,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the impairment. [default: as `up` had it]")] = None,
    as_json: Json = False,
) -> None:
    """Lose, delay, reorder, repeat or damage frames from now on, or no more; alone, say what is on."""
    run = _run(name)
    if frames is None and seed is not None:
        raise _usage(ValueError("--seed is for an impairment: give one, for example loss=5%"))
    _do(lambda: verbs.impair(run, frames, seed, as_json))


@app.command()
def recover(component: Component, replica: ReplicaNumber = 0, name: Name = DEFAULT_NAME, as_json: Json = False) -> None:
    """Restart a component on purpose, and wait until it serves."""
    run = _run(name)
    _do(lambda: verbs.recover(run, component, replica, as_json))


@app.command()
def scale(
    replicas: Annotated[int, typer.Argument(help="How many there shall be.")],
    name: Name = DEFAULT_NAME,
    wait: Annotated[bool, typer.Option("--wait", help="Until new ones serve and drained ones have left.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait at most.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Have more replicas at once, or fewer when their last connections have closed."""
    run = _run(name)
    _do(lambda: verbs.scale(run, replicas, wait, timeout, as_json))


@app.command()
def events(
    name: Name = DEFAULT_NAME,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show what happened: crashes, how they were detected, restarts, and how long each step took."""
    run = _run(name)
    _do(lambda: verbs.events(run, follow, as_json))


@app.command()
def logs(
    component: Annotated[str, typer.Argument(help="Only of this component.", metavar="[COMPONENT]")] = "",
    replica: Annotated[int | None, typer.Argument(help="Only of this replica.", metavar="[REPLICA]")] = None,
    name: Name = DEFAULT_NAME,
) -> None:
    """Show what the processes wrote to their standard error."""
    run = _run(name)
    _do(lambda: verbs.logs(run, component, replica))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A pcap or pcapng file, or a scenario (.toml).")],
    replicas: Annotated[int, typer.Option(help="Queues of the NIC.")] = 4,
    filters: Filters = None,
    no_tracking: Annotated[bool, typer.Option("--no-tracking", help="Steer by filters and RSS alone.")] = False,
    appliance: Appliance = "",
    bpf: Annotated[str, typer.Option(metavar="EXPRESSION", help="Only frames that this filter of libpcap takes.")] = "",
    seed: Annotated[int | None, typer.Option(help="Of the RSS key. [default: a random one]")] = None,
    flows: Annotated[int, typer.Option(help="Room of the table of tracked flows.")] = 1 << 17,
    live: Annotated[bool, typer.Option("--live", help="Into a running testbed.")] = False,
    stateful: Stateful = False,
    speed: Speed = "1",
    server: Server = None,
    write: Annotated[
        str, typer.Option("--write", "-w", metavar="OUT.pcapng", help="Live: what the stack sent; - for stdout.")
    ] = "",
    ignore: Ignore = None,
    with_dates: WithDates = False,
    timeout: Timeout = 5.0,
    limit: Limit = None,
    connections: Connections = "",
    at_once: AtOnce = 32,
    name: Name = DEFAULT_NAME,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Of a scenario: JUnit XML, for CI.")] = None,
    as_json: Json = False,
) -> None:
    """Play a capture through the smart NIC alone: frames of each queue, flows, drops by reason, how even it spread; or
    into a running testbed (--live); or its TCP clients against a live server (--stateful); or run a scenario."""
    if file.suffix == ".toml":
        from neatctl.testbed.scenario.verb import run_files

        _do(lambda: run_files([file], as_json, junit))
    if stateful:
        if live or write:
            raise _usage(
                ValueError("--stateful goes without --live and --write; `neatctl capture` records its packets")
            )
        from neatctl.testbed.replay.stateful.verb import Options as StatefulOptions
        from neatctl.testbed.replay.stateful.verb import run_stateful

        chosen = StatefulOptions(
            server or [], speed, timeout, limit, connections, at_once, ignore or [], with_dates, bpf
        )
        _do(lambda: run_stateful(_run(name), file, chosen, as_json))
    if live:
        from neatctl.testbed.replay.live import Options as LiveOptions
        from neatctl.testbed.replay.live_verb import run_live

        _do(lambda: run_live(_run(name), file, LiveOptions(speed, server or [], bpf, write), as_json))
    if server or write or speed != "1" or ignore or with_dates or limit or connections:
        raise _usage(ValueError("an option of --live or --stateful (see --help); without them nothing is sent"))
    from neatctl.testbed.replay.offline import Options
    from neatctl.testbed.replay.verb import run_offline

    options = Options(replicas, filters, not no_tracking, appliance, bpf, seed, flows)
    _do(lambda: run_offline(file, options, as_json))


scenarios = typer.Typer(help="Run scenarios and judge them, or check them without running.", no_args_is_help=True)
app.add_typer(scenarios, name="scenario")
ScenarioFiles = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scenarios (.toml).")]


@scenarios.command("run")
def scenario_run(
    files: ScenarioFiles,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML, for CI.")] = None,
    as_json: Json = False,
) -> None:
    """Run scenarios one after the other, each on a testbed of its own, and say what held."""
    from neatctl.testbed.scenario.verb import run_files

    _do(lambda: run_files(files, as_json, junit))


@scenarios.command("check")
def scenario_check(files: ScenarioFiles) -> None:
    """Say what is wrong with scenarios, by file, line and key, without running them."""
    from neatctl.testbed.scenario.verb import check_files

    _do(lambda: check_files(files))


@scenarios.command("schema")
def scenario_schema() -> None:
    """Print the JSON Schema of scenarios."""
    from neatctl.testbed.scenario.verb import schema_text

    sys.stdout.write(schema_text())


@app.command()
def capture(
    write: Annotated[
        str, typer.Option("--write", "-w", metavar="OUT.pcapng", help="Write a pcapng; - for stdout.")
    ] = "",
    replica: Annotated[int | None, typer.Option(metavar="N", help="Only what this replica sends, or gets.")] = None,
    expression: Annotated[
        str, typer.Option("--filter", metavar="BPF", help="Only frames that this filter of libpcap takes.")
    ] = "",
    count: Annotated[int | None, typer.Option(min=1, help="End after so many frames.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.0, help="End after so long.")] = None,
    both: Annotated[bool, typer.Option("--both", help="What arrives, too, not only what the stack sends.")] = False,
    name: Name = DEFAULT_NAME,
    as_json: Json = False,
) -> None:
    """Record what goes through the NIC, with the replica that sent or got each packet; Ctrl-C ends it."""
    from neatctl.testbed.replay.capture import Options, run_capture

    run = _run(name)
    _do(lambda: run_capture(run, Options(write, replica, expression, count, seconds, both), as_json))


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=2.0, help="How long to load.")] = 6.0,
    connections: Annotated[int, typer.Option(min=1, help="Of the load.")] = 200,
) -> None:
    """Bring four replicas up, load them, kill one, show who lost what and how fast it came back."""
    from neatctl.testbed.demo import run_demo

    _do(lambda: run_demo(seconds, connections))


@app.command()
def version(as_json: Json = False) -> None:
    """Show the version, and whether the packet path is compiled."""
    _do(lambda: verbs.version(as_json))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this machine lacks, and the command that mends it."""
    _do(lambda: verbs.doctor(as_json))


def main() -> None:
    """The entry point."""
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        note(f"neatctl: {error.filename or 'output'}: {error.strerror}")
        # What is left in the buffer would fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(verbs.DID_NOT_HOLD)


if __name__ == "__main__":
    main()
