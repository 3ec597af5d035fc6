"""The figures that `make bench` prints: nothing that went wrong may hide in them."""

from __future__ import annotations

from argparse import Namespace

import pytest

from bench import run, versus

PRINTED = """Running 2s test @ http://10.77.0.2/file
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   310.51us  120.22us   4.02ms   91.10%
    Req/Sec   100.32k     2.10k  104.00k    75.00%
  Latency Distribution
     50%  298.00us
     75%  340.00us
     90%  401.00us
     99%    1.25ms
  200000 requests in 2.00s, 30.00MB read
{trouble}Requests/sec: 100000.00
Transfer/sec:     15.00MB
"""


def test_a_run_is_read_from_wrk() -> None:
    read = versus.parse_wrk(PRINTED.format(trouble=""), used_us=3_000_000)
    assert (read.requests_per_s, read.p50_us, read.p99_us, read.errors) == (100_000, 298, 1250, 0)
    assert read.cpu_us_per_request == 15


@pytest.mark.parametrize(
    ("trouble", "errors"),
    [
        ("  Socket errors: connect 1, read 20, write 300, timeout 4000\n", 4321),
        ("  Non-2xx or 3xx responses: 17\n", 17),
        ("  Socket errors: connect 0, read 0, write 0, timeout 2\n  Non-2xx or 3xx responses: 1\n", 3),
    ],
)
def test_every_kind_of_failure_is_an_error(trouble: str, errors: int) -> None:
    assert versus.parse_wrk(PRINTED.format(trouble=trouble), used_us=0).errors == errors


def test_no_figures_are_made_from_a_failed_run() -> None:
    with pytest.raises(SystemExit, match="no figures"):
        versus.parse_wrk("unable to connect to 10.77.0.2:80 Connection refused", used_us=0)


def test_the_table_has_the_median_of_the_ratios_of_pairs_and_all_errors() -> None:
    def runs(rates: list[float], errors: int) -> list[versus.Run]:
        return [versus.Run(rate, 10, 100, 200, errors) for rate in rates]

    # The machine became half as fast after the first pair: the ratios of pairs do not care.
    pairs = {"neatctl": runs([200, 100, 110], 1), "linux": runs([100, 50, 100], 0)}
    row = versus.row(4, 32, pairs, Namespace(close=False, bytes=20))
    figure = run.comparison("keep-alive", row)
    assert figure.value == 2.0
    assert "3 errors" in figure.note
    line = run.table([figure]).splitlines()[1]
    assert "keep-alive, 32 connections, 4 replicas" in line
    assert "1.10..2.00" in line


@pytest.mark.parametrize("asked", ["0", "8,-1", "x"])
def test_nonsense_is_refused_before_anything_is_started(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        versus.parser().parse_args(["--connections", asked])
    assert refused.value.code == 2
    assert "--connections" in capsys.readouterr().err
