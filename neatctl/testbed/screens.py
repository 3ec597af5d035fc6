"""What people see: tables on a terminal, plain columns elsewhere, notes on stderr.

rich is imported only for a terminal. Nothing here decides anything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from neatctl.core.control.status import Status

Rows = Sequence[Sequence[object]]

_COLOURS = {
    "serving": "green",
    "ready": "green",
    "yes": "green",
    "held": "green",
    "killed": "red",
    "untouched": "green",
    "draining": "yellow",
    "starting": "yellow",
    "degraded": "yellow",
    "slower": "yellow",
    "backing-off": "red",
    "vacant": "red",
    "no": "red",
    "PASS": "green",
    "FAIL": "red",
}
COLUMNS = ("component", "#", "pid", "state", "gen", "conns", "in", "out", "CPU %", "restarts", "MiB")
"""In and out: packets since the start of the process. As a terminal of 80 columns has room for."""


def note(text: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def table(columns: Sequence[str], rows: Rows, numeric: Sequence[int] = ()) -> RenderableType:
    """A rich table; columns of the indices in `numeric` stand to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, column in enumerate(columns):
        made.add_column(column, justify="right" if i in numeric else "left", overflow="fold")
    made.padding = (0, 2, 0, 0) if len(columns) < 8 else (0, 1, 0, 0)
    for row in rows:
        made.add_row(*(Text(_shown(cell), style=_COLOURS.get(str(cell), "")) for cell in row))
    return made


def show_table(title: str, columns: Sequence[str], rows: Rows, numeric: Sequence[int] = ()) -> None:
    """A table on stdout: of rich's on a terminal, else columns with tabs between and neither box nor colour."""
    if is_terminal():
        from rich.console import Console

        console = Console()
        console.print(title, style="bold", highlight=False, soft_wrap=True)
        console.print(table(columns, rows, numeric))
        console.print()
        return
    if title:
        print(f"# {title}")
    print("\t".join(columns))
    for row in rows:
        print("\t".join(_shown(cell) for cell in row))


def _shown(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}" if is_terminal() else str(cell)
    if isinstance(cell, float):
        return f"{cell:.1f}"
    return str(cell)


# ---- status ----
def status_title(status: Status) -> str:
    """The line above the rows."""
    mode = "compiled" if status.compiled else "plain Python"
    where = f"clients in {status.client_netns}" if status.client_netns else "clients: neatctl exec"
    addresses = f"{status.address} and {status.address6}" if status.address6 else status.address
    return (
        f"{status.name}: {status.state} at {addresses} for {status.uptime_us / 1e6:.0f} s "
        f"({mode}, {status.channel}, {where})"
    )


def status_cells(status: Status) -> list[list[object]]:
    return [
        [
            row.component,
            row.index,
            str(row.pid) if row.pid else None,
            row.state,
            row.generation or None,
            row.connections,
            row.packets_in,
            row.packets_out,
            row.cpu_percent,
            row.restarts,
            row.memory_octets / (1 << 20),
        ]
        for row in status.processes
    ]


NUMERIC = (1, 2, 4, 5, 6, 7, 8, 9, 10)


def show_status(status: Status) -> None:
    show_table(status_title(status), COLUMNS, status_cells(status), NUMERIC)


def status_table(status: Status) -> RenderableType:
    """For a live display."""
    from rich.console import Group
    from rich.text import Text

    title = Text(status_title(status), style="bold")
    return Group(title, table(COLUMNS, status_cells(status), NUMERIC))
