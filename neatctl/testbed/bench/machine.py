"""The facts of the machine that a report holds, and what else is kept beside it. Reads; changes nothing."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import psutil

from neatctl import __version__
from neatctl.core.native import COMPILED
from neatctl.testbed.bench.results import Machine

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Processor"))]
    return models[0] if models else platform.processor() or platform.machine()


def machine(client: str) -> Machine:
    """This machine; `client` is the name and version of the load client."""
    return Machine(
        kernel=platform.release(),
        architecture=platform.machine(),
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_octets=psutil.virtual_memory().total,
        governor=_GOVERNOR.read_text(encoding="ascii").strip() if _GOVERNOR.exists() else None,
        python=platform.python_version(),
        neatctl=__version__,
        compiled=COMPILED,
        client=client,
    )


def environment(command: list[str]) -> dict[str, object]:
    """What may explain a difference later: command line, variables of ours, packages, and how busy the machine was."""
    packages = {found.metadata["Name"]: found.version for found in metadata.distributions() if found.metadata["Name"]}
    return {
        "schema": 1,
        "command": command,
        "variables": {name: value for name, value in sorted(os.environ.items()) if name.startswith("NEATCTL_")},
        "load_average": list(os.getloadavg()),
        "packages": dict(sorted(packages.items())),
    }
