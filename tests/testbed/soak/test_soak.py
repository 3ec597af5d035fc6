"""The matrix of impairments, its file, and the transfer that every cell makes, here between two kernel sockets."""

from __future__ import annotations

import argparse
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neatctl.apps.transfer import Exchange
from neatctl.testbed.soak import __main__ as soak
from neatctl.testbed.soak.cells import DIFFERS, FAILED, HELD, HUNG, SLOW, Cell, Outcome, Report, chosen, matrix, summary
from neatctl.testbed.soak.kernel_client import Said, transfer
from neatctl.testbed.soak.running import _judged

OCTETS = 300_001


def serve_one(listening: socket.socket, change: Callable[[bytes], bytes]) -> None:
    """One connection of the transfer service on kernel sockets; `change` is what a broken stack does to a part."""
    sock, _ = listening.accept()
    with sock:
        exchange: Any = Exchange(sock)  # type: ignore[arg-type]
        while not exchange.done:
            octets = sock.recv(10_000)
            if not octets or not exchange.take(octets):
                return
            sending = exchange.sending
            if sending is not None and sending.part:
                part = sending.part[:9_000]
                sock.sendall(change(part))
                sending.sent(len(part))
        while exchange.sending.part:
            sock.sendall(exchange.sending.part)
            exchange.sending.sent(len(exchange.sending.part))


def transferred(change: Callable[[bytes], bytes] = bytes, stall_s: float = 5.0, octets: int = OCTETS) -> Said:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve_one, args=(listening, change))
        thread.start()
        said = transfer(listening.getsockname(), octets, 7, stall_s)
        thread.join(10)
        assert not thread.is_alive()
    return said


@pytest.mark.parametrize("octets", [1, 65536, OCTETS])
def test_a_transfer_that_arrives_is_equal_both_ways(octets: int) -> None:
    said = transferred(octets=octets)
    assert (said.error, said.up_equal, said.down_equal, said.taken) == ("", True, True, octets + 32)
    assert 0 < said.down_seconds <= said.seconds
    assert _judged(Cell(), octets, said, {}).verdict == HELD


@pytest.mark.parametrize(
    "change", [lambda part: part[::-1], lambda part: part[1:], lambda part: part + b"x"], ids=["other", "less", "more"]
)
def test_octets_that_are_not_those_that_were_sent_are_seen(change: Callable[[bytes], bytes]) -> None:
    said = transferred(change)
    assert not said.down_equal
    assert _judged(Cell(), OCTETS, said, {}).verdict == DIFFERS


def test_a_transfer_without_progress_is_hung() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        said = transfer(listening.getsockname(), OCTETS, 7, 0.3)
    assert said.error == "hung"
    assert _judged(Cell(), OCTETS, said, {}).verdict == HUNG


def test_a_connection_that_is_refused_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
    assert _judged(Cell(), OCTETS, transfer(address, OCTETS, 7, 1.0), {}).verdict == FAILED


def test_a_client_that_sends_more_than_it_said_is_put_off() -> None:
    exchange: Any = Exchange(None)  # type: ignore[arg-type]
    assert exchange.take((5).to_bytes(8, "big") + bytes(7))
    assert exchange.take(bytes(9) + b"12345")
    assert exchange.done
    assert not exchange.take(b"6")
    other: Any = Exchange(None)  # type: ignore[arg-type]
    assert not other.take(b"\xff" * 24)


def test_the_matrix_is_what_was_asked_for() -> None:
    cells = matrix()
    assert len({cell.name for cell in cells}) == 96
    assert cells[0] == Cell()
    assert cells[0].impair == "loss=0%"
    assert Cell(15, 0, 5, 1, 50).impair == "loss=15%,duplicate=5%,corrupt=1%,delay=50ms"
    assert len(chosen(cells, "loss=5%, delay=0ms")) == 12
    with pytest.raises(ValueError, match="no cell has"):
        chosen(cells, "loss=2%")


def test_a_run_goes_on_with_the_cells_that_have_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Cell] = []

    def fake(cell: Cell, octets: int, *_: object) -> Outcome:
        ran.append(cell)
        return Outcome(cell, HELD if len(ran) != 2 else HUNG, octets)

    monkeypatch.setattr(soak, "run_cell", fake)
    out = tmp_path / "there" / "soak.json"
    argv = [
        "--only",
        "corrupt=0%,delay=0ms,duplicate=0%",
        "--octets",
        "1000",
        "--jobs",
        "1",
        "--out",
        str(out),
        "--wire",
        "driver",
    ]
    assert soak.main(argv) == 1
    assert len(ran) == 8
    assert soak.main(argv) == 0
    assert ran[8:] == [ran[1]]
    assert soak.main([*argv, "--json"]) == 0
    assert len(ran) == 9
    report = soak.load(out, 1000, "driver", False)
    assert summary(report.outcomes.values()) == {HELD: 8, DIFFERS: 0, HUNG: 0, SLOW: 0, FAILED: 0}
    assert soak.load(out, 2000, "driver", False).outcomes == {}
    out.write_text("nonsense")
    assert soak.load(out, 1000, "driver", False).outcomes == {}


def test_a_cell_that_fails_is_told_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("1", True, 1000, "driver", {Cell().name: Outcome(Cell(), FAILED, 1000, detail="up: no address")})
    linux = Report("1", True, 1000, "linux", {Cell().name: Outcome(Cell(), HELD, 1000, 0.5)})
    soak.show(report, linux, [Cell()])
    assert "failed\t0.0\t0.0\t-\t-\t0\t0\tup: no address" in capsys.readouterr().out


def test_a_cell_is_bounded_by_what_linux_took() -> None:
    quick, hung = Outcome(Cell(), HELD, 1000, 2.0), Outcome(Cell(loss=5), HUNG, 1000, 2.0)
    linux = Report("1", True, 1000, "linux", {each.cell.name: each for each in (quick, hung)})
    assert soak._bound_s(7200.0, linux, Cell()) == soak.MARGIN_S + 2.0 * soak.LINUX_TIMES
    assert soak._bound_s(70.0, linux, Cell()) == 70.0
    assert soak._bound_s(7200.0, linux, Cell(loss=5)) == soak._bound_s(7200.0, linux, Cell(loss=1)) == 7200.0


def test_what_linux_took_is_kept_apart() -> None:
    assert soak.parsed(["--wire", "linux"]).out == soak.parsed([]).linux != soak.parsed([]).out


def test_options_that_cannot_be_are_refused() -> None:
    for argv in (["--jobs", "0"], ["--octets", "-1"], ["--only", "loss=2%"]):
        with pytest.raises(SystemExit) as left:
            raise SystemExit(soak.main(argv))
        assert left.value.code == 2
    assert isinstance(soak.parsed([]), argparse.Namespace)
