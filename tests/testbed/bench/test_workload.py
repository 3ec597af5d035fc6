"""Presets and what a user changes in them; the remedy is named for what cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.testbed.bench.runner import share
from neatctl.testbed.bench.workload import PRESETS, Asked, BadWorkload, sizes_of, workloads


def test_presets_are_the_papers() -> None:
    requests = {name: workloads(Asked(preset=name))[0].requests_per_connection for name in PRESETS}
    assert requests == {"persistent": 100, "tuned": 1000, "churn": 1, "sizes": 100}
    assert [each.octets for each in workloads(Asked())] == [20]
    sizes = workloads(Asked(preset="sizes"))
    assert [each.octets for each in sizes] == [1, 10, 100, 1000, 10**4, 10**5, 10**6, 10**7]
    assert sizes[3].path == "/1000b"


def test_options_change_a_preset() -> None:
    (made,) = workloads(Asked(connections=7, requests_per_connection=0, octets="64k", rate=100.0, workers=2))
    assert (made.connections, made.requests_per_connection, made.octets, made.rate) == (7, 0, 64000, 100.0)
    (named,) = workloads(Asked(path="/a/b?c"))
    assert (named.path, named.octets) == ("/a/b?c", None)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(preset="fast"), "--preset: there is no 'fast'; there are persistent, tuned, churn, sizes"),
        (Asked(connections=0), "--connections: 0 is not between 1 and 60000"),
        (Asked(seconds=float("nan")), "--seconds: nan"),
        (Asked(warm_up_s=-1), "--warm-up: -1"),
        (Asked(rate=0), "--rate: 0 is not"),
        (Asked(workers=9, connections=8), "--workers: 9 processes cannot share 8 connections"),
        (Asked(client="ab"), "--client: 'ab' is none of own, wrk, httperf"),
        (Asked(client="httperf"), "give --rate"),
        (Asked(octets="1,2", path="/x"), "--path: one file has one size"),
        (Asked(path="x"), "--path: 'x' is no path"),
        (Asked(octets="many"), "--bytes: 'many' is no size in octets"),
        (Asked(octets="2000M"), "--bytes: at most 1073741824 octets in all"),
    ],
)
def test_what_cannot_be_is_said(asked: Asked, said: str) -> None:
    with pytest.raises(BadWorkload) as caught:
        workloads(asked)
    assert said in str(caught.value)


@given(st.text())
def test_any_text_is_sizes_or_refused(text: str) -> None:
    try:
        sizes = sizes_of(text)
    except BadWorkload:
        return
    assert sizes
    assert all(size >= 0 for size in sizes)


@given(st.integers(1, 500), st.integers(1, 8))
def test_workers_share_everything_and_no_more(connections: int, workers: int) -> None:
    workers = min(workers, connections)
    (whole,) = workloads(Asked(connections=connections, workers=workers, rate=1000.0))
    parts = [share(whole, worker) for worker in range(workers)]
    assert sum(part.connections for part in parts) == connections
    assert sum(part.rate or 0 for part in parts) == pytest.approx(1000.0)
    assert {part.workers for part in parts} == {1}
