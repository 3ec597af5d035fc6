"""The command line of `neatctl conformance`: its verbs and their options, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="conformance",
    help="What test suites of protocols need.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@app.callback()
def conformance() -> None:
    """What test suites of protocols need: a stack that they can drive."""


@app.command("serve")
def serve(
    socket: Annotated[Path, typer.Option(metavar="PATH", help="Of the Unix socket to make.")],
    address: Annotated[
        str, typer.Option(metavar="CIDR", help="Of a client's stack, unless its HELLO has another.")
    ] = "10.77.0.2/24",
    gateway: Annotated[str, typer.Option(metavar="ADDRESS", help="Off the link. [default: all are on the link]")] = "",
    address6: Annotated[str, typer.Option(metavar="CIDR", help="The same in IPv6. [default: no IPv6]")] = "",
    gateway6: Annotated[str, typer.Option(metavar="ADDRESS", help="The same in IPv6.")] = "",
    mtu: Annotated[int, typer.Option(help="Of the link.")] = 1500,
    link: Annotated[
        str, typer.Option(metavar="raw|ethernet", help="Packets with or without an Ethernet header.")
    ] = "raw",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Give each client of a Unix socket a stack of its own: socket calls, packets in, packets out with their times.

    The protocol is in ARCHITECTURE.md. Ctrl-C ends it."""
    from neatctl.testbed.bridge.bridge_server import serve as serve_clients

    options = f"address={address},gateway={gateway},address6={address6},gateway6={gateway6},mtu={mtu},link={link}"
    raise typer.Exit(serve_clients(socket, options, as_json))


@app.command("matrix")
def matrix(
    write: Annotated[bool, typer.Option("--write", help="Write docs/conformance.md.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """RFC 9293 requirement by requirement: where the stack stands, and the tests that show it. Needs a source tree."""
    from neatctl.testbed.conformance.ledger import matrix as make_matrix

    raise typer.Exit(make_matrix(as_json, write))
