"""`python -m neatctl.apps.load`: see the package's docstring."""

from __future__ import annotations

import sys

from neatctl.apps.load.run import main

if __name__ == "__main__":
    sys.exit(main())
