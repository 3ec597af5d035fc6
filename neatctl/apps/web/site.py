"""A directory held in memory: what the web server can serve, and nothing else.

Read once, as a snapshot: a path is a look-up among the names that were found, so no path can lead
outside. Symbolic links are not followed, special files and hidden names (but .well-known) are left
out. Knows nothing of requests or connections; opens files only in `load`.
"""

from __future__ import annotations

import hashlib
import html
import mimetypes
import os
import stat
import urllib.parse

from neatctl.apps.web.http_date import format_date
from neatctl.apps.web.pages import INDEX, PATTERN, STYLE, TWENTY

MAX_OCTETS = 1 << 30
"""The most octets of content in one site by default."""
MAX_PATHS = 200_000
"""The most paths in one site; a file has one, a directory two."""
MAX_DEPTH = 64
"""The most directories below one another."""
_CODED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
"""Compressed files are served as what they are, not as what is in them: clients shall not unpack them."""


class SiteError(Exception):
    """The directory cannot be served; the message says why and what to do."""


class Entry:
    """What one path answers with: content and what describes it, or a redirection to `location`."""

    __slots__ = ("content", "content_type", "etag", "last_modified", "location", "modified", "replies")

    def __init__(self, content: bytes, content_type: str, modified: int, location: bytes = b"") -> None:
        self.content = content
        self.content_type = content_type
        self.modified = modified
        """Seconds since 1970."""
        self.last_modified = format_date(modified)
        self.etag = b'"' + hashlib.blake2b(content, digest_size=12).hexdigest().encode() + b'"'
        """Strong: equal octets have equal tags (RFC 9110 section 8.8.3)."""
        self.location = location
        """Where a redirection points, percent-encoded; b"" for content."""
        self.replies: dict[int, object] = {}
        """The prepared replies of this entry, kept by whoever makes them."""


class Site:
    """Paths, decoded and with a leading slash, and their entries."""

    def __init__(self, max_octets: int = MAX_OCTETS, max_paths: int = MAX_PATHS) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.octets = 0
        self.skipped: list[str] = []
        """Names that are not served, each with the reason."""
        self.max_octets = max_octets
        self.max_paths = max_paths

    def find(self, path: bytes) -> Entry | None:
        return self.entries.get(path)

    def add(self, path: bytes, content: bytes, content_type: str, modified: int) -> Entry:
        """Add content, counted against the limits; SiteError when the site is full."""
        self.octets += len(content)
        if self.octets > self.max_octets:
            raise SiteError(_too_large(path, self.max_octets))
        return self.put(path, Entry(content, content_type, modified))

    def redirect(self, path: bytes, to: bytes, modified: int) -> Entry:
        """Add a path that leads to another one (decoded)."""
        location = urllib.parse.quote_from_bytes(to).encode()
        return self.put(path, Entry(b"", "text/plain; charset=utf-8", modified, location))

    def put(self, path: bytes, entry: Entry) -> Entry:
        """Add a path for an entry, which may have others."""
        if len(self.entries) >= self.max_paths:
            raise SiteError(f"the site has more than {self.max_paths} paths: serve a smaller directory")
        self.entries[path] = entry
        return entry


def content_type_of(name: str) -> str:
    """The media type of a file's name; text is UTF-8, what is unknown are octets."""
    # The slash keeps a colon in the name from being read as a scheme.
    kind, coding = mimetypes.guess_type("/" + name)
    if coding:
        return _CODED.get(coding, "application/octet-stream")
    if kind is None:
        return "application/octet-stream"
    if kind.startswith("text/") or kind in ("application/javascript", "application/json", "application/xml"):
        return kind + "; charset=utf-8"
    return kind


def load(directory: str, max_octets: int = MAX_OCTETS, max_paths: int = MAX_PATHS) -> Site:
    """The snapshot of a directory; SiteError if it is none, or if it exceeds the limits."""
    site = Site(max_octets, max_paths)
    try:
        root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SiteError(f"cannot serve {directory}: {error.strerror}") from error
    try:
        _load_directory(site, root, b"/", 0)
    finally:
        os.close(root)
    return site


def built_in(modified: int) -> Site:
    """The site that is served where no directory was given."""
    site = Site()
    index = site.add(b"/", INDEX, "text/html; charset=utf-8", modified)
    site.put(b"/index.html", index)
    site.add(b"/style.css", STYLE, "text/css; charset=utf-8", modified)
    site.add(b"/20b", TWENTY, "text/plain; charset=utf-8", modified)
    site.add(b"/1m", PATTERN, "application/octet-stream", modified)
    return site


def _too_large(path: bytes, max_octets: int) -> str:
    name = os.fsdecode(path)
    return f"the site exceeds {max_octets} octets at {name}: serve a smaller directory or raise --max-octets"


def _load_directory(site: Site, fd: int, path: bytes, depth: int) -> None:
    """Add what is in the open directory `fd`, whose path ends in a slash."""
    if depth > MAX_DEPTH:
        raise SiteError(f"{os.fsdecode(path)} is deeper than {MAX_DEPTH} directories: serve a smaller directory")
    modified = int(os.fstat(fd).st_mtime)
    listed: list[tuple[bytes, int]] = []
    index: Entry | None = None
    for name in sorted(os.fsencode(name) for name in os.listdir(fd)):
        where = path + name
        if name.startswith(b".") and name != b".well-known":
            site.skipped.append(f"{os.fsdecode(where)}: hidden")
            continue
        child = _open_child(site, fd, name, where)
        if child < 0:
            continue
        try:
            status = os.fstat(child)
            if stat.S_ISDIR(status.st_mode):
                _load_directory(site, child, where + b"/", depth + 1)
                site.redirect(where, where + b"/", int(status.st_mtime))
                listed.append((name + b"/", -1))
            elif stat.S_ISREG(status.st_mode):
                content = _read(site, child, where)
                entry = site.add(where, content, content_type_of(os.fsdecode(name)), int(status.st_mtime))
                listed.append((name, len(content)))
                if name == b"index.html":
                    index = entry
            else:
                site.skipped.append(f"{os.fsdecode(where)}: not a regular file")
        finally:
            os.close(child)
    if index is not None:
        site.put(path, index)
    else:
        site.add(path, _listing(path, listed), "text/html; charset=utf-8", modified)


def _open_child(site: Site, fd: int, name: bytes, where: bytes) -> int:
    """Open a name of a directory without following links or waiting for a FIFO's writer; -1 if it cannot be."""
    try:
        mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            site.skipped.append(f"{os.fsdecode(where)}: {'a link' if stat.S_ISLNK(mode) else 'not a regular file'}")
            return -1
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    except OSError as error:
        site.skipped.append(f"{os.fsdecode(where)}: {error.strerror}")
        return -1


def _read(site: Site, fd: int, where: bytes) -> bytes:
    """A whole file, but never more than the site has room for, whatever its size claims."""
    room = site.max_octets - site.octets
    if os.fstat(fd).st_size > room:
        raise SiteError(_too_large(where, site.max_octets))
    with open(fd, "rb", buffering=0, closefd=False) as file:
        content = file.read(os.fstat(fd).st_size) or b""
        while more := file.read(min(1 << 20, room - len(content) + 1)):
            content += more
            if len(content) > room:
                raise SiteError(_too_large(where, site.max_octets))
    return content


def _listing(path: bytes, listed: list[tuple[bytes, int]]) -> bytes:
    """A page that lists a directory without index.html: directories first."""
    title = html.escape(path.decode("utf-8", "replace"))
    rows = ['<tr><td><a href="../">../</a></td><td></td></tr>'] if path != b"/" else []
    for name, octets in sorted(listed, key=lambda item: (item[1] >= 0, item[0])):
        link = html.escape(urllib.parse.quote_from_bytes(name))
        text = html.escape(name.decode("utf-8", "replace"))
        size = "" if octets < 0 else f"{octets:,}"
        # "./" keeps a colon in a name from being read as a scheme.
        rows.append(f'<tr><td><a href="./{link}">{text}</a></td><td align="right">{size}</td></tr>')
    body = "\n".join(rows)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body><h1>{title}</h1>\n<table>\n{body}\n</table></body></html>\n"
    ).encode()
