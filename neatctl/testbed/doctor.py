"""What this machine has and lacks for testbeds, and the command that mends it. Changes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import msgspec

from neatctl.core.native import COMPILED
from neatctl.core.process.run_directory import runtime_root

_SHM_OCTETS = 64 << 20


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at. `ok` is yes, no (nothing works without it) or slower (works, but less well)."""

    subject: str
    ok: str
    found: str
    mend: str = ""


def examine() -> list[Finding]:
    """Look at everything."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    findings = [
        Finding("Python", "yes", sys.version.split()[0]),
        Finding("compiled packet path", "yes", "C")
        if COMPILED
        else Finding("compiled packet path", "slower", "plain Python", _mend_compiled()),
        _rights(),
        _tun(),
        _shared_memory(),
        _run_directory(),
    ]
    for program, package, what in (
        ("curl", "curl", "fetches pages on the clients' side"),
        ("wrk", "wrk", "loads on the clients' side"),
        ("ip", "iproute2", "`ip netns` shows the clients' namespace"),
    ):
        path = shutil.which(program)
        mend = f"apt-get install {package}"
        findings.append(Finding(program, "yes", path) if path else Finding(program, "slower", f"missing: {what}", mend))
    return findings


def _mend_compiled() -> str:
    if os.environ.get("NEATCTL_PURE") == "1":
        return "unset NEATCTL_PURE"
    return "apt-get install gcc libc6-dev python3-dev && make build"


def _rights() -> Finding:
    if os.geteuid() == 0:
        return Finding("network namespaces", "yes", "root")
    tried = subprocess.run(
        [sys.executable, "-c", "from neatctl.testbed.network import enter_user_namespace as e; e()"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode == 0:
        return Finding("network namespaces", "yes", "in a user namespace")
    mend = "run as root, or: sysctl -w user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1"
    return Finding("network namespaces", "no", "user namespaces are refused", mend)


def _tun() -> Finding:
    path = "/dev/net/tun"
    if not os.path.exists(path):
        return Finding(path, "no", "missing", "mkdir -p /dev/net && mknod /dev/net/tun c 10 200 || modprobe tun")
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError as error:
        mend = "chmod 0666 /dev/net/tun (as root)" if isinstance(error, PermissionError) else "modprobe tun"
        return Finding(path, "no", error.strerror or "cannot be opened", mend)
    return Finding(path, "yes", "can be opened")


def _shared_memory() -> Finding:
    if not os.path.isdir("/dev/shm"):
        return Finding("/dev/shm", "no", "missing", "mount -t tmpfs tmpfs /dev/shm")
    facts = os.statvfs("/dev/shm")
    free = facts.f_bavail * facts.f_frsize
    if free < _SHM_OCTETS:
        return Finding("/dev/shm", "no", f"{free >> 20} MiB free", "mount -o remount,size=256m /dev/shm")
    return Finding("/dev/shm", "yes", f"{free >> 20} MiB free")


def _run_directory() -> Finding:
    root = runtime_root()
    base = next(path for path in (root, *root.parents) if path.exists())
    if os.access(base, os.W_OK):
        return Finding("run directory", "yes", str(root))
    return Finding("run directory", "no", f"{base} cannot be written", "export XDG_RUNTIME_DIR=$(mktemp -d)")
