"""What every test session shares: which mode runs, what this machine can do, and running testbeds.

NEATCTL_EXPECT=compiled|pure makes a session fail unless it runs in that mode, with nothing stale.
What a machine lacks skips a test with a reason; under CI=true it fails it, since CI must lack nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from neatctl.core.native import COMPILED
from tests.system.testbed import Testbed, TestbedStarter

ROOT = Path(__file__).parent.parent
os.environ["PATH"] += ":/usr/sbin:/sbin"


def stale_modules() -> list[str]:
    """Compiled modules that are missing or older than their sources: those lie about what was tested."""
    stale = []
    for types in sorted(ROOT.glob("neatctl/**/*.pxd")):
        if types.stem == "__init__":
            continue
        built = next(iter(types.parent.glob(f"{types.stem}.cpython-*.so")), None)
        sources = [path for path in (types, types.with_suffix(".py"), types.with_suffix(".pyx")) if path.exists()]
        if types.with_suffix(".pyx").exists() and types.with_suffix(".py") in sources:
            sources.remove(types.with_suffix(".py"))  # the plain twin is not what is compiled
        if built is None or any(path.stat().st_mtime > built.stat().st_mtime for path in sources):
            stale.append(str(types.with_suffix("").relative_to(ROOT)))
    return stale


def pytest_configure() -> None:
    expected = os.environ.get("NEATCTL_EXPECT")
    if expected is None:
        return
    if expected not in {"compiled", "pure"}:
        raise pytest.UsageError(f"NEATCTL_EXPECT is compiled or pure, not {expected}")
    if (expected == "compiled") != COMPILED:
        raise pytest.UsageError(f"this session was to run {expected}, but the core is {_mode()}: make build")
    if COMPILED and (stale := stale_modules()):
        raise pytest.UsageError(f"not compiled from what stands there: {', '.join(stale)}: make build")


def _mode() -> str:
    return "compiled" if COMPILED else "pure"


def pytest_report_header() -> list[str]:
    lines = [f"neatctl: {_mode()}, devices: {cannot_tap() or 'yes'}"]
    if COMPILED and (stale := stale_modules()):
        lines.append(f"stale or not compiled: {', '.join(stale)}")
    return lines


@cache
def cannot_tap() -> str:
    """Why no TAP and network namespace can be had here, or ""."""
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun on this machine (mknod /dev/net/tun c 10 200)"
    probe = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    tried = subprocess.run([*probe, "sh", "-c", "exec 3<>/dev/net/tun"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"{' '.join(probe)} cannot open /dev/net/tun here: {tried.stderr.strip()}"
    return ""


def lacking(reason: str) -> None:
    """Skip the test for a lack of the machine, or fail it where nothing may be lacking."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI lacks what this test needs: {reason}", pytrace=False)
    pytest.skip(reason)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("tap") is not None and (reason := cannot_tap()):
        lacking(reason)


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """`need("wrk")`: the path of a program, or the test is skipped (CI: fails) with the package's name."""
    packages = {"ab": "apache2-utils", "ip": "iproute2", "groff": "groff-base"}

    def find(program: str) -> str:
        path = shutil.which(program)
        if path is None:
            lacking(f"{program} is missing: apt-get install {packages.get(program, program)}")
        assert path is not None
        return path

    return find


@pytest.fixture
def start_testbed(tmp_path: Path) -> Iterator[TestbedStarter]:
    """`start_testbed(4, "--web", "DIR")`: a new testbed, taken down after the test whatever happened."""
    starter = TestbedStarter(tmp_path)
    yield starter
    starter.end()


@pytest.fixture
def testbed(start_testbed: TestbedStarter) -> Testbed:
    """A testbed of two replicas with the built-in site, for this test alone."""
    return start_testbed(2)


@pytest.fixture(scope="module")
def shared_testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """A testbed of two replicas for all tests of a file that leave it as it was."""
    starter = TestbedStarter(tmp_path_factory.mktemp("testbed"))
    yield starter(2)
    starter.end()
