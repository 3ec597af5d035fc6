"""The command line of `neatctl fetch`: its options, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neatctl.core.process.run_directory import BadName, RunDirectory
from neatctl.testbed import verbs
from neatctl.testbed.screens import note


def fetch(
    url: Annotated[str, typer.Argument(metavar="URL", help="http://ADDRESS[:PORT]/PATH; names are not resolved.")],
    name: Annotated[str, typer.Option("--name", envvar="NEATCTL_NAME", help="The testbed.")] = "neat",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Keep what the first connection gets.")
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=10_000, help="Each fetches the whole, all at once.")] = 1,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Give a connection up when nothing moved for so long.")
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Download over HTTP by connections that the testbed's replicas open; say which replica opened which."""
    from neatctl.testbed import client
    from neatctl.testbed.fetch import Wanted, fetch_url

    try:
        code = fetch_url(RunDirectory(name), Wanted(url, connections, timeout, out), as_json)
    except BadName as error:
        note(f"neatctl: {error}")
        code = verbs.USAGE
    except client.NotRunning as error:
        note(f"neatctl: {error}")
        code = verbs.NOT_RUNNING
    raise typer.Exit(code)
