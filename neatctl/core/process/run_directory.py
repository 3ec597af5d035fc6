"""The run directory of a testbed: where it is, who owns it, what is in it, and how it is cleared.

/run/neatctl/NAME for root, $XDG_RUNTIME_DIR/neatctl/NAME or a directory in /tmp for others, mode 0700.
Its owner holds a lock on `lock` for as long as it runs: ZeroMQ lets a second bind steal an address
without an error. The rings are on tmpfs, by a link to /dev/shm where the directory is not.
`testbed.json` holds what it takes to clear up after a supervisor that was killed.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shutil
from pathlib import Path

import msgspec

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_TMPFS_MAGIC = 0x01021994
_libc = ctypes.CDLL(None, use_errno=True)
_ENDPOINTS = ("control", "syscall", "command")


class BadName(ValueError):
    """No name of a testbed."""


class AlreadyRunning(Exception):
    """Somebody else holds the run directory."""


class ProcessRecord(msgspec.Struct, frozen=True):
    """A process by pid and start time (ticks since boot), so that another one with its pid is never taken for it."""

    pid: int
    start_time: int
    component: str = ""


class RunRecord(msgspec.Struct, frozen=True):
    """What is in testbed.json."""

    name: str
    supervisor: ProcessRecord
    children: list[ProcessRecord]
    address: str
    client_address: str
    client_netns: str
    """As `ip netns` knows it; "" where the clients share the namespace of the supervisor."""
    user_namespace: bool
    """Whether the supervisor lives in namespaces of its own."""
    shared_memory: str
    """The directory that `rings` links to, or ""."""
    schema: int = 1


def runtime_root() -> Path:
    """The directory that holds the run directories of this user."""
    if os.geteuid() == 0:
        return Path("/run/neatctl")
    if base := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(base) / "neatctl"
    return Path(f"/tmp/neatctl-{os.getuid()}")


def testbed_names() -> list[str]:
    """The testbeds that have a run directory."""
    root = runtime_root()
    return sorted(path.name for path in root.iterdir() if (path / "lock").exists()) if root.is_dir() else []


class RunDirectory:
    """One testbed's directory. Making the object touches nothing."""

    def __init__(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise BadName(f"a name has 1 to 32 small letters, digits and hyphens, not {name!r}")
        self.name = name
        # Both are fixed now: in a user namespace of its own a supervisor seems to be another user.
        self.path = runtime_root() / name
        self._shared_memory = Path(f"/dev/shm/neatctl-{os.getuid()}-{name}")
        self._lock = -1

    # ---- for its owner ----
    def take(self) -> None:
        """Make the directory and lock it; AlreadyRunning if a supervisor has it. What is stale in it is not touched."""
        root = self.path.parent
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if root.stat().st_uid != os.geteuid():
            raise PermissionError(f"{root} belongs to somebody else")
        self.path.mkdir(mode=0o700, exist_ok=True)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = -1
            raise AlreadyRunning(
                f"a testbed named {self.name} is running; `neatctl down --name {self.name}` ends it"
            ) from None

    def fill(self) -> None:
        """Make what a testbed needs in a directory that was taken and cleared."""
        for part in ("bells", "log"):
            (self.path / part).mkdir(mode=0o700)
        rings = self.path / "rings"
        if _is_tmpfs(self.path):
            rings.mkdir(mode=0o700)
        else:
            self._shared_memory.mkdir(mode=0o700)
            rings.symlink_to(self._shared_memory)

    @property
    def shared_memory(self) -> str:
        """The directory that `rings` links to, or ""."""
        rings = self.path / "rings"
        return os.readlink(rings) if rings.is_symlink() else ""

    def write_record(self, record: RunRecord) -> None:
        """Replace testbed.json in one step."""
        new = self.path / "testbed.json.new"
        new.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
        new.rename(self.path / "testbed.json")

    def clear(self) -> None:
        """Remove all that a testbed has left, but the lock. Only for who holds the lock, or knows that nobody lives."""
        shutil.rmtree(self._shared_memory, ignore_errors=True)
        if self.path.is_dir():
            for entry in self.path.iterdir():
                if entry.name == "lock":
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)

    def release(self) -> None:
        """Clear and remove the directory, and let the lock go."""
        self.clear()
        (self.path / "lock").unlink(missing_ok=True)
        if self.path.is_dir():
            self.path.rmdir()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # ---- for everybody ----
    def locked(self) -> bool:
        """Whether a supervisor lives."""
        try:
            fd = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def exists(self) -> bool:
        return self.path.is_dir()

    def record(self) -> RunRecord | None:
        """What testbed.json says, or None if there is none that can be read."""
        try:
            return msgspec.json.decode((self.path / "testbed.json").read_bytes(), type=RunRecord)
        except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
            return None

    def endpoint(self, which: str) -> str:
        """The ZeroMQ address of `control`, `syscall` or `command` over ipc."""
        assert which in _ENDPOINTS
        return f"ipc://{self.path}/{which}"


def _is_tmpfs(path: Path) -> bool:
    """Whether a directory is on tmpfs (statfs(2))."""
    buffer = ctypes.create_string_buffer(256)
    if _libc.statfs(os.fsencode(path), buffer):
        return False
    return int.from_bytes(buffer.raw[:8], "little") == _TMPFS_MAGIC
