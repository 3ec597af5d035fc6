"""The load client's command line: what is understood, and what is refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from neatctl.apps.load.options import parse


def test_a_url_alone_is_enough() -> None:
    options = parse(["http://10.77.0.2"])
    assert (options.host, options.port, options.paths) == ("10.77.0.2", 80, ("/",))
    assert (options.rate, options.requests_per_connection, options.expect_octets) == (0, 0, -1)
    assert parse(["http://h:8080/a/b?c=d"]).paths == ("/a/b?c=d",)


def test_paths_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "paths").write_text("# a comment\n/a\n\n/b?x\n")
    assert parse(["http://h/", "--paths", str(tmp_path / "paths")]).paths == ("/a", "/b?x")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["https://h/"], "not an http URL"),
        (["http:///x"], "not an http URL"),
        (["http://h:99999/"], "Port out of range"),
        (["http://h/a b"], "is no path"),
        (["http://h/ä"], "is no path"),
        (["http://h/" + "x" * 3000], "is no path"),
        (["http://h/", "--connections", "0"], "--connections"),
        (["http://h/", "--connections", "x"], "--connections"),
        (["http://h/", "--rate", "-1"], "--rate"),
        (["http://h/", "--rate", "nan"], "--rate"),
        (["http://h/", "--seconds", "inf"], "--seconds"),
        (["http://h/", "--paths", "/nonexistent"], "No such file"),
        (["http://h/", "--paths", "/dev/null"], "no path in it"),
    ],
)
def test_nonsense_is_refused(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(argv)
    assert refused.value.code == 2
    assert said in capsys.readouterr().err
