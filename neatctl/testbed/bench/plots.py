"""Draws the figures of a report as PNG and SVG, with matplotlib (the extra `plots`), which needs no display for it.

What is drawn is decided in `series`; without matplotlib nothing else is missed.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neatctl.testbed.bench.results import Report
from neatctl.testbed.bench.series import Plot, plots_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("png", "svg")
_INCHES = (7.5, 4.5)


def lacks() -> str:
    """What is missing, with the remedy; "" if nothing is."""
    if importlib.util.find_spec("matplotlib") is not None:
        return ""
    return "matplotlib is not installed: pip install 'matplotlib>=3.8,<4', or neatctl with its extra `plots`"


def draw(report: Report, directory: Path) -> list[Path]:
    """Every plot that the report has enough points for, each as NAME.png and NAME.svg; the files."""
    return [file for plot in plots_of(report) for file in draw_one(plot, directory)]


def draw_one(plot: Plot, directory: Path) -> list[Path]:
    """One plot. The SVG has text as text, and nothing that differs from one drawing to the next."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": plot.name}):
        figure = Figure(_INCHES, layout="constrained")
        _fill(figure.add_subplot(), plot)
        files = [directory / f"{plot.name}.{kind}" for kind in KINDS]
        for file, metadata in zip(files, ({"Software": None}, {"Date": None})):
            figure.savefig(file, dpi=150, metadata=metadata)
    return files


def _fill(axes: Axes, plot: Plot) -> None:
    markers = "osD^vPX*"
    for number, line in enumerate(plot.lines):
        x: list[float] = [_beyond(value) for value in line.x] if plot.x_scale == "percentile" else [*line.x]
        errors: Any = None
        if line.low:
            below = [y - low for y, low in zip(line.y, line.low)]
            errors = (below, [high - y for y, high in zip(line.y, line.high)])
        marker = markers[number % len(markers)]
        style = ("-", "--", ":")[number // 10 % 3]
        looks: dict[str, Any] = {"linestyle": style, "linewidth": 1.2, "marker": marker, "markersize": 4, "capsize": 3}
        axes.errorbar(x, line.y, yerr=errors, label=line.label, **looks)
    axes.set_title(plot.title)
    axes.set_xlabel(plot.x_label)
    axes.set_ylabel(plot.y_label)
    axes.set_yscale(plot.y_scale)
    if plot.y_scale == "linear":
        axes.set_ylim(bottom=0)
    if plot.x_scale == "percentile":
        axes.set_xscale("log")
        marks = [0.0, 90.0, 99.0, 99.9, 99.99, 99.999]
        last = max(value for line in plot.lines for value in line.x)
        shown = [mark for mark in marks if mark <= last]
        axes.set_xticks([_beyond(mark) for mark in shown], [f"{mark:g}" for mark in shown], minor=False)
        axes.minorticks_off()
    else:
        axes.set_xscale(plot.x_scale)
    if plot.ticks:
        axes.set_xticks(plot.ticks, [f"{tick:g}" for tick in plot.ticks])
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")


def _beyond(percentile: float) -> float:
    """Of how many requests one is slower."""
    return 1 / (1 - percentile / 100)
