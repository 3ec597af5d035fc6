"""The network of a testbed: a namespace for the clients, a TAP in it, addresses; and its end.

Root gets a namespace `neatctl-NAME` that `ip netns` knows. Anybody else gets namespaces of his own
(user, network), in which supervisor and clients live. The TAP and its addresses are made by a
short-lived process (`make_network.py`), since pyroute2 is large; it hands the TAP's descriptor over.
ip-netns(8), user_namespaces(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
from typing import TYPE_CHECKING

from neatctl.core.process.probe import enter_namespace, in_namespace
from neatctl.core.process.spawn import interpreter

if TYPE_CHECKING:
    from neatctl.core.process.supervisor import Network

NETNS_DIRECTORY = "/run/netns"
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_MNT_DETACH = 2
_MS_REC_SLAVE = 0x4000 | 0x80000
_libc = ctypes.CDLL(None, use_errno=True)


class NoNetwork(Exception):
    """The network cannot be made; the message says what to do."""


def netns_name(testbed: str) -> str:
    """The clients' namespace of a testbed of root's."""
    return f"neatctl-{testbed}"


def enter_user_namespace() -> None:
    """Move this process, which must have one thread, into a user and a network namespace of its own."""
    uid, gid = os.getuid(), os.getgid()
    if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        reason = os.strerror(ctypes.get_errno())
        raise NoNetwork(
            f"without root a testbed needs a user namespace, which this kernel refuses ({reason}): run as root, or "
            "allow it with `sysctl -w user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1`"
        )
    for path, line in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{path}", "w", encoding="ascii") as file:
            file.write(line)


class NetworkSetup:
    """Makes the namespace (unless we are in one of our own) and the TAP with `client_interfaces` (10.77.0.1/24), in a
    process of its own; `fileno` is readable when it has ended."""

    def __init__(self, testbed: str, client_interfaces: list[str], own_namespace: bool) -> None:
        self._name = "" if own_namespace else netns_name(testbed)
        self._own_namespace = own_namespace
        self._ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*interpreter(), "-m", "neatctl.testbed.make_network", self._name, *client_interfaces],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )

    def fileno(self) -> int:
        return self._ours.fileno()

    def end(self) -> None:
        """Wait until nothing is being made any more, if `finish` has not."""
        if self._ours.fileno() >= 0:
            with contextlib.suppress(NoNetwork):
                os.close(self.finish().device_fd)

    def finish(self) -> Network:
        """What was made; waits for it. NoNetwork if it is not possible."""
        with self._ours:
            _, descriptors, _, _ = socket.recv_fds(self._ours, 1, 1)
        _, said = self._process.communicate()
        if self._process.returncode or not descriptors:
            last = said.strip().splitlines()[-1:] or ["the set-up of the network failed"]
            raise NoNetwork(last[0])
        from neatctl.core.process.supervisor import Network

        namespace = os.open(f"{NETNS_DIRECTORY}/{self._name}", os.O_RDONLY | os.O_CLOEXEC) if self._name else -1
        return Network(descriptors[0], self._name, in_namespace(namespace), self._own_namespace)


def remove_namespace(name: str) -> None:
    """Take a namespace's name away, if it has one; it ends with its last process and descriptor."""
    path = f"{NETNS_DIRECTORY}/{name}"
    if not os.path.lexists(path):
        return
    _libc.umount2(os.fsencode(path), _MNT_DETACH)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def enter_client_side(netns: str, supervisor_pid: int) -> None:
    """Move this process, which must have one thread, to the clients' side of a testbed. As `ip netns exec` does, /sys
    shows the devices of that namespace."""
    if netns:
        fd = os.open(f"{NETNS_DIRECTORY}/{netns}", os.O_RDONLY | os.O_CLOEXEC)
        enter_namespace(fd)
        os.close(fd)
        if _libc.unshare(_CLONE_NEWNS) == 0:
            _libc.mount(b"none", b"/", None, _MS_REC_SLAVE, None)
            _libc.umount2(b"/sys", _MNT_DETACH)
            _libc.mount(b"sysfs", b"/sys", b"sysfs", 0, None)
        return
    for fd in [os.open(f"/proc/{supervisor_pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("user", "net")]:
        enter_namespace(fd)
        os.close(fd)
