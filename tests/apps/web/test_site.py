"""The directory in memory: what is served, what never is, and the limits."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from neatctl.apps.web import site as sites
from neatctl.apps.web.site import SiteError, built_in, load


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory to serve, beside a file that must not be."""
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "index.html").write_text("<p>home")
    (root / "sub" / "a <b>.txt").write_text("text")
    (root / "sub" / "z.bin").write_bytes(b"\0" * 1000)
    (root / "sub" / "deep" / "index.html").write_text("deep")
    return root


def test_files_indexes_listings_and_redirections(root: Path) -> None:
    site = load(str(root))
    assert set(site.entries) == {
        b"/", b"/index.html", b"/sub", b"/sub/", b"/sub/a <b>.txt", b"/sub/z.bin",
        b"/sub/deep", b"/sub/deep/", b"/sub/deep/index.html",
    }  # fmt: skip
    assert site.entries[b"/"] is site.entries[b"/index.html"]
    assert site.entries[b"/sub"].location == b"/sub/"
    listing = site.entries[b"/sub/"].content.decode()
    assert 'href="./a%20%3Cb%3E.txt">a &lt;b&gt;.txt<' in listing
    assert "1,000" in listing
    assert 'href="./deep/"' in listing
    assert 'href="../"' in listing


def test_nothing_outside_the_directory_is_in_the_site(root: Path) -> None:
    (root / "link").symlink_to("../secret")
    (root / "inside").symlink_to("index.html")
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "sock"))
    (root / ".hidden").write_text("secret")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("secret")
    (root / ".well-known").mkdir()
    (root / ".well-known" / "x").write_text("public")
    site = load(str(root))
    assert not any(b"secret" in entry.content for entry in site.entries.values())
    assert site.entries[b"/.well-known/x"].content == b"public"
    skipped = " ".join(site.skipped)
    for name in ("link", "inside", "up", "loop", "fifo", "sock", ".hidden", ".git"):
        assert f"/{name}:" in skipped
        assert f"/{name}".encode() not in site.entries


def test_the_directory_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(root)
    assert load(str(tmp_path / "alias")).entries[b"/"].content == b"<p>home"


def test_names_that_are_not_utf8_are_served(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/sub/\xff.txt")).write_text("x")
    site = load(str(root))
    assert site.entries[b"/sub/\xff.txt"].content == b"x"
    assert b"./%FF.txt" in site.entries[b"/sub/"].content


def test_too_much_is_an_error_that_says_what_to_do(root: Path) -> None:
    with pytest.raises(SiteError, match=r"exceeds 500 octets at /sub/z\.bin.*--max-octets"):
        load(str(root), max_octets=500)
    with pytest.raises(SiteError, match="more than 5 paths"):
        load(str(root), max_paths=5)
    deep = root
    for _ in range(sites.MAX_DEPTH + 1):
        deep = deep / "d"
    deep.mkdir(parents=True)
    with pytest.raises(SiteError, match="deeper than"):
        load(str(root))


@pytest.mark.parametrize("name", ["missing", "root/index.html"])
def test_what_is_no_directory_is_an_error(root: Path, name: str) -> None:
    with pytest.raises(SiteError, match="cannot serve"):
        load(str(root.parent / name))


def test_entity_tags_follow_the_content(root: Path) -> None:
    before = load(str(root)).entries
    (root / "sub" / "z.bin").write_bytes(b"\1" * 1000)
    after = load(str(root)).entries
    assert before[b"/sub/z.bin"].etag != after[b"/sub/z.bin"].etag
    assert before[b"/index.html"].etag == after[b"/index.html"].etag


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.json", "application/json; charset=utf-8"),
        ("a.png", "image/png"),
        ("a.tar.gz", "application/gzip"),
        ("a.svg", "image/svg+xml"),
        ("data:x.html", "text/html; charset=utf-8"),
        ("README", "application/octet-stream"),
        ("20b", "application/octet-stream"),
    ],
)
def test_content_types(name: str, kind: str) -> None:
    assert sites.content_type_of(name) == kind


def test_the_built_in_site_explains_itself() -> None:
    site = built_in(0)
    assert len(site.entries[b"/20b"].content) == 20
    index = site.entries[b"/"].content.decode()
    for word in ("neatctl", "driver", "replica", "socket library", 'href="20b"'):
        assert word in index
