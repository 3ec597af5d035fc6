"""Writes the man pages from the command line itself: `python tools/man.py man` makes neatctl.1 and one page a verb.

What typer knows (synopsis, description, options) comes from there; what it cannot know stands below in tables.
The pages are committed; tests/test_house.py makes them again and compares. man(7), groff_man(7).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from neatctl import __version__
from neatctl.cli import app

EXIT_STATUS = [
    ("0", "Done; what was asked about holds."),
    ("1", "It failed, or what was asked about does not hold."),
    ("2", "Wrong usage: an unknown verb, option or value."),
    ("3", "No testbed of that name is running."),
    ("130", "Ended by Ctrl-C."),
]
ENVIRONMENT = [
    ("NEATCTL_NAME", "The testbed, where --name is not given. Other options have variables too, named beside them."),
    ("XDG_RUNTIME_DIR", "Where run directories are made without root: $XDG_RUNTIME_DIR/neatctl/NAME."),
    ("NEATCTL_PURE", "1 runs the plain Python sources even where the packet path was compiled."),
    ("NO_COLOR", "If set, nothing is coloured."),
]
FILES = [
    ("/run/neatctl/NAME/", "The run directory of a testbed: control sockets, rings, doorbells, logs (mode 0700)."),
    ("/run/neatctl/NAME/log/", "What each process wrote to its standard error."),
    ("/run/neatctl/NAME/testbed.json", "What `down --force` needs to clear up after a supervisor that was killed."),
]
EXAMPLES = {
    "": [
        ("neatctl up --replicas 4 --detach", "Bring up a stack of four replicas with the built-in web server."),
        ("neatctl exec -- curl http://10.77.0.2/", "Fetch its page from the clients' side."),
        ("neatctl inject-fault tcp 2 && neatctl events", "Kill replica 2 and see what happened."),
        ("neatctl down", "Take everything down."),
    ],
    "up": [
        ("neatctl up --replicas 4 --web ./site --detach", "Serve a directory from four replicas, in the background."),
        ("neatctl up --name lab2 --address 10.78.0.2/24", "A second testbed beside the first, in the foreground."),
    ],
    "down": [("neatctl down --force", "Clear up what a killed supervisor left behind.")],
    "status": [
        ("neatctl status --watch", "Look on."),
        ("neatctl status --json", "One JSON object, for scripts; client_netns is a name for ip-netns(8)."),
    ],
    "exec": [("neatctl exec -- wrk -c64 -d10s http://10.77.0.2/20b", "Load from the clients' network namespace.")],
    "inject-fault": [
        ("neatctl inject-fault tcp 2", "Kill the process that runs TCP of replica 2."),
        ("neatctl inject-fault driver --kind hang", "Make the driver hang; the heartbeat finds out."),
    ],
    "recover": [("neatctl recover tcp 2", "Restart replica 2 now.")],
    "scale": [("neatctl scale 6", "Six replicas; new connections spread over all of them.")],
    "bench": [
        ("neatctl bench", "The paper's workload of persistent connections, on a testbed of its own."),
        ("neatctl bench --preset sizes --replicas 4 --out four", "Files of 1 octet to 10 MB, kept in ./four."),
        ("neatctl bench --versus linux", "Taking turns with lighttpd on the Linux stack: ratios and CPU of both."),
        (
            "neatctl bench --replicas 1,2,4 --workers 1,2 --out swept --plot",
            "Requests/s by replicas and web servers, as a table, PNG and SVG.",
        ),
        ("neatctl bench --name lab2 --rate 20000 --json", "An open loop against a testbed that runs, as JSON."),
    ],
    "bench compare": [
        ("neatctl bench compare before after --fail-below 0.95", "Fail if requests/s fell by more than a twentieth.")
    ],
    "events": [("neatctl events --follow --json", "One JSON object a line, as things happen.")],
}


def escape(text: str) -> str:
    """Text as roff takes it literally."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return re.sub(r"^\.", r"\\&.", text, flags=re.M)


def released() -> str:
    """The date of this version in CHANGELOG.md."""
    changelog = Path(__file__).parent.parent.joinpath("CHANGELOG.md").read_text()
    found = re.search(rf"^## \[{re.escape(__version__)}\] - (\S+)$", changelog, re.M)
    return found[1] if found else ""


def paragraphs(text: str) -> list[str]:
    """A docstring as roff: lines joined, empty lines as paragraph breaks."""
    blocks = [" ".join(block.split()) for block in re.split(r"\n\s*\n", text.replace("\b", "").strip())]
    lines: list[str] = []
    for block in blocks:
        lines += [".PP", escape(block)]
    return lines[1:]


def table(heading: str, rows: list[tuple[str, str]]) -> list[str]:
    """A section of tagged paragraphs; nothing without rows."""
    if not rows:
        return []
    lines = [f".SH {heading}"]
    for tag, text in rows:
        lines += [".TP", f"\\fB{escape(tag)}\\fR", escape(" ".join(text.split()))]
    return lines


def first_sentence(command: Any) -> str:
    """What a command does, without the full stop."""
    text = (command.help or command.callback.__doc__ or "").strip()
    return " ".join(re.split(r"(?<=\.)\s|\n\s*\n", text)[0].split()).rstrip(".")


def pages(command: Any, path: list[str], parent: Any, siblings: list[str]) -> Iterator[tuple[str, str]]:
    """(file name, contents) of a command and of those below it."""
    context = typer.Context(command, info_name=path[-1], parent=parent)
    name = "-".join(path)
    verb = " ".join(path[1:])
    description = command.help or command.callback.__doc__ or ""
    below = {key: value for key, value in getattr(command, "commands", {}).items() if not value.hidden}
    options: list[tuple[str, str]] = []
    arguments: list[tuple[str, str]] = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            (options if parameter.param_type_name == "option" else arguments).append(record)
    lines = [
        f'.TH "{escape(name.upper())}" 1 "{escape(released())}" "neatctl {escape(__version__)}" "neatctl manual"',
        ".SH NAME",
        f"{escape(name)} \\- {escape(first_sentence(command))}",
        ".SH SYNOPSIS",
        f"\\fB{escape(' '.join(path))}\\fR " + escape(" ".join(command.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        *paragraphs(description),
        *table("COMMANDS", [(key, first_sentence(value) + ".") for key, value in below.items()]),
        *table("ARGUMENTS", arguments),
        *table("OPTIONS", options),
        *table("EXIT STATUS", EXIT_STATUS),
        *table("ENVIRONMENT", ENVIRONMENT),
        *table("FILES", FILES),
    ]
    if verb in EXAMPLES:
        lines.append(".SH EXAMPLES")
        for example, text in EXAMPLES[verb]:
            lines += [".TP", f"\\fB{escape(example)}\\fR", escape(text)]
    others = [name for name in [f"neatctl-{key}" for key in below] or ["neatctl", *siblings] if name != "-".join(path)]
    lines += [".SH SEE ALSO", *(f".BR {escape(other)} (1)," for other in others), ".BR ip\\-netns (8)"]
    yield f"{name}.1", "\n".join(lines) + "\n"
    for key, value in below.items():
        yield from pages(value, [*path, key], context, [f"neatctl-{other}" for other in below])


def all_pages() -> dict[str, str]:
    """Every man page by its file name."""
    return dict(pages(typer.main.get_command(app), ["neatctl"], None, []))


def main(directory: str) -> None:
    made = all_pages()
    folder = Path(directory)
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("neatctl*.1"):
        if stale.name not in made:
            stale.unlink()
    for file, text in made.items():
        (folder / file).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1])
