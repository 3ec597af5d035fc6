"""The files that every server of a comparison has, and networks beside a testbed's."""

from __future__ import annotations

from pathlib import Path

import pytest

from neatctl.testbed.bench import limit, linux
from neatctl.testbed.bench.results import Workload
from neatctl.testbed.bench.runner import CannotMeasure
from neatctl.testbed.bench.site import fill, network_beside, server_of


def test_files_have_their_paths_and_sizes_and_the_seeds_octets(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        fill(tmp_path / name, [Workload(), Workload(path="/deep/er/file", octets=3000)], seed)
    assert (tmp_path / "a/20b").stat().st_size == 20
    first, same, other = ((tmp_path / name / "deep/er/file").read_bytes() for name in "abc")
    assert len(first) == 3000
    assert first == same != other
    assert (tmp_path / "a/deep").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("path", ["/", "/../secret", "/a//b", "/a?b=c", "/%2e%2e/a"])
def test_what_is_no_file_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(CannotMeasure, match="no file that another server could have"):
        fill(tmp_path, [Workload(path=path)], 1)
    assert not list(tmp_path.iterdir())


def test_a_network_is_none_that_the_testbed_is_in() -> None:
    candidates = ("10.91.0.1/24", "10.191.0.1/24")
    assert network_beside("http://10.77.0.2", candidates) == "10.91.0.1/24"
    assert network_beside("http://10.91.0.9:80", candidates) == "10.191.0.1/24"
    assert str(server_of("10.91.0.1/24")) == "10.91.0.2"


def test_what_a_comparison_lacks_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(limit, "COMPILED", True)
    assert limit.lacks([Workload()]) == ""
    assert "--bytes" in limit.lacks([Workload(octets=1), Workload(octets=2)])
    assert "at most 32000 octets, not 1000000" in limit.lacks([Workload(octets=1_000_000)])
    monkeypatch.setattr(limit, "COMPILED", False)
    assert "make build" in limit.lacks([Workload()])
    monkeypatch.setattr(linux, "PLACES", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install lighttpd" in linux.lacks()
