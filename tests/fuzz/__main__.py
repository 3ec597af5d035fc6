"""A fuzz target under atheris, which follows what the octets reach.

    python -m tests.fuzz TARGET [CORPUS ..] [-OPTION=..]

Runs the plain Python sources; corpus directories and options are libFuzzer's (`-max_total_time=600`). Needs
`pip install -e '.[fuzz]'`. Without a corpus it begins with the seeds of tests/fuzz/seeds.py.
"""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["NEATCTL_PURE"] = "1"


def instrument(atheris: Any) -> None:
    """Have atheris see what runs in our package. Its import hook does not see plain sources beside compiled modules."""
    for name, module in list(sys.modules.items()):
        if name.startswith("neatctl."):
            classes = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == name]
            for holder in (module, *classes):
                for each in vars(holder).values():
                    if inspect.isfunction(each) and each.__module__ == name:
                        atheris.instrument_func(each)


def main(arguments: list[str]) -> int:
    try:
        import atheris
    except ImportError:
        print("fuzz: atheris is not installed: pip install -e '.[fuzz]'", file=sys.stderr)
        return 1
    from tests.fuzz.seeds import SEEDS
    from tests.fuzz.targets import TARGETS

    if not arguments or arguments[0] not in TARGETS:
        print(f"usage: python -m tests.fuzz {'|'.join(TARGETS)} [CORPUS ..] [-OPTION=..]", file=sys.stderr)
        return 2
    name, rest = arguments[0], arguments[1:]
    with tempfile.TemporaryDirectory() as place:
        if all(each.startswith("-") for each in rest):
            for number, seed in enumerate(SEEDS[name]):
                Path(place, str(number)).write_bytes(seed)
            rest.append(place)
        instrument(atheris)
        atheris.Setup([f"fuzz {name}", *rest], TARGETS[name])
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
