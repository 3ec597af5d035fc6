"""neatctl: a replicated TCP/IP stack behind a software smart NIC (NEaT, CoNEXT 2016) for testbeds.

The packet path is compiled where a compiler was present at installation. `NEATCTL_PURE=1` makes the
interpreter take the plain sources even then; nothing else in the package reads that variable.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

__version__ = "0.1.0"


class _PlainSources:
    """A finder that passes over compiled modules of this package and finds their sources."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(__name__ + "."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None or spec.origin.endswith(".py") or path is None:
            return spec
        source = os.path.join(os.path.dirname(spec.origin), name.rpartition(".")[2] + ".py")
        return spec_from_file_location(name, source, loader=SourceFileLoader(name, source))


if os.environ.get("NEATCTL_PURE") == "1":
    sys.meta_path.insert(0, _PlainSources())  # type: ignore[arg-type,unused-ignore]
