"""`python -m neatctl` is `neatctl`."""

from __future__ import annotations

from neatctl.cli import main

if __name__ == "__main__":
    main()
