"""The options of `neatctl`'s verbs, by what they say; those of `bench` are in cli_bench.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Option("--name", envvar="NEATCTL_NAME", help="The testbed.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Component = Annotated[str, typer.Argument(help="tcp, ip, driver, syscall or web.")]
ReplicaNumber = Annotated[int, typer.Argument(help="Which replica, for tcp and ip.", metavar="[REPLICA]")]
Ecn = Annotated[bool | None, typer.Option("--ecn/--no-ecn", envvar="NEATCTL_ECN", help="Ask for ECN. [default: no]")]
Filters = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Exact filters, one a line: [tcp|udp,]source,port,destination,port,replica."),
]
Appliance = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", help="Frames from it leave the NIC, those to others are dropped. [default: all arrive]"
    ),
]
Speed = Annotated[str, typer.Option(metavar="FACTOR|max", help="Live, stateful: times the recorded one.")]
Server = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS[:PORT]|any",
        help="Live: who in the capture is the server [default: a guess]. Stateful: whom to play against [default: the "
        "stack, at the captured port].",
    ),
]
Stateful = Annotated[
    bool, typer.Option("--stateful", help="The captured TCP clients against the live server; compare what it says.")
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="REGEX", help="Stateful: what it matches in what the servers say is equal. May be repeated."),
]
WithDates = Annotated[
    bool, typer.Option("--with-dates", help="Stateful: compare the values of HTTP's Date headers, too.")
]
Timeout = Annotated[
    float, typer.Option(metavar="SECONDS", help="Stateful: give a connection up when nothing moved for so long.")
]
Limit = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Stateful: of one connection in all. [default: none]")
]
Connections = Annotated[
    str, typer.Option(metavar="A-B", help="Stateful: only these, by the order of their first SYNs. [default: all]")
]
AtOnce = Annotated[int, typer.Option(metavar="N", help="Stateful, with --speed max: connections at a time.")]

Replicas = Annotated[int | None, typer.Option(envvar="NEATCTL_REPLICAS", help="How many. [default: 2]")]
NewName = Annotated[str | None, typer.Option(envvar="NEATCTL_NAME", help="Of the testbed. [default: neat]")]
Web = Annotated[
    str | None,
    typer.Option(envvar="NEATCTL_WEB", metavar="DIR", help="Serve this directory, not the built-in site."),
]
Address = Annotated[
    str | None,
    typer.Option(envvar="NEATCTL_ADDRESS", metavar="CIDR", help="Where the stack answers. [default: 10.77.0.2/24]"),
]
Address6 = Annotated[
    str | None,
    typer.Option(
        envvar="NEATCTL_ADDRESS6",
        metavar="CIDR",
        help="The same in IPv6; '' for no IPv6. [default: fd77::2/64]",
    ),
]
Channel = Annotated[
    str | None,
    typer.Option(envvar="NEATCTL_CHANNEL", metavar="ring|zmq", help="What carries data. [default: ring]"),
]
Transport = Annotated[
    str | None,
    typer.Option(
        envvar="NEATCTL_TRANSPORT",
        metavar="ipc|inproc",
        help="Components as processes, or as threads of one process for debugging. [default: ipc]",
    ),
]
Impair = Annotated[
    str | None,
    typer.Option(envvar="NEATCTL_IMPAIR", help="What the driver does to frames, as for `neatctl impair`: loss=5%."),
]
Seed = Annotated[int | None, typer.Option(envvar="NEATCTL_SEED", help="Of the impairment. [default: 0]")]
Placement = Annotated[
    str | None,
    typer.Option(
        envvar="NEATCTL_PLACEMENT",
        metavar="auto|none",
        help="Give components cores where that helps, while nobody else wants them; or leave it. [default: auto]",
    ),
]
Config = Annotated[
    Path | None, typer.Option(envvar="NEATCTL_CONFIG", metavar="FILE.toml", help="Settings by these names.")
]
Detach = Annotated[bool, typer.Option("--detach", envvar="NEATCTL_DETACH", help="Go on in the background.")]
