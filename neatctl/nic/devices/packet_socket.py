"""A packet socket on one interface: frames as they are, many in one system call. The plain twin of `packet_socket.pyx`.

Opened in the network namespace of the caller (`testbed/network.py` enters the clients'). On the clients' end of a TAP
what is sent is read by the driver like any other frame, and what is received is what the stack sent. packet(7),
sendmmsg(2). The kernel's queue to the driver may be full: such a frame is counted as `no_room` and lost, as on a wire.
Knows nothing of what is in frames.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
from pathlib import Path

from neatctl.core.native import Memory

ALL_PROTOCOLS = 3
"""ETH_P_ALL: every frame, those that are sent on this host among them."""
_PLACE = 32
_ETHERNET_HEADER = 14
_SOL_PACKET = 263
_PACKET_QDISC_BYPASS = 20
_SIOCGIFMTU = 0x8921
_LOST = frozenset({errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN})


class PacketSocket:
    """A packet socket bound to `interface`, which receives frames of this EtherType, or none for 0.

    OSError as the kernel says: EPERM without rights, ENODEV where there is no such interface.
    """

    def __init__(self, interface: str, protocol: int = 0) -> None:
        self._socket = open_socket(interface, protocol)
        self.mac: bytes = self._socket.getsockname()[4]
        """The interface's Ethernet address."""
        self.mtu = _mtu(self._socket, interface)
        self.sent = 0
        self.no_room = 0
        """Frames that the kernel had no room for. It does not always say so: `tx_dropped` knows all."""
        self.held = 0
        """Frames for which there was no room, and that were kept: nothing is lost, though `tx_dropped` counts them."""
        self.too_long = 0
        """Frames longer than the link takes, or shorter than an Ethernet header."""

    def send(self, memory: Memory, at: int, octets: int) -> bool:
        """Send one frame; False (counted) when it was lost. OSError when the link is down or gone."""
        if octets < _ETHERNET_HEADER or octets > self.mtu + _ETHERNET_HEADER:
            self.too_long += 1
            return False
        try:
            self._socket.send(memory.bytes(at, octets))
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                self.too_long += 1
            elif error.errno in _LOST:
                self.no_room += 1
            else:
                raise
            return False
        self.sent += 1
        return True

    def send_batch(self, memory: Memory, places: Memory, first: int, count: int) -> int:
        """Send `count` frames from the `first` of `places` on, each 32 octets there of which the first 16 say where in
        `memory` it lies and how long it is (8 octets each, host order; `PLACE_OCTETS` of `pcap.py`); how many of them
        went. The others are counted. OSError when the link is down or gone."""
        before = self.sent
        for i in range(first, first + count):
            self.send(memory, places.load64(i * _PLACE), places.load64(i * _PLACE + 8))
        return self.sent - before

    def send_while_room(self, memory: Memory, places: Memory, first: int, count: int) -> int:
        """As `send_batch`, up to the first frame for which there is no room, which is not lost; how many are done with:
        sent, or of a length that the link does not take."""
        for i in range(first, first + count):
            lost = self.no_room
            if not self.send(memory, places.load64(i * _PLACE), places.load64(i * _PLACE + 8)) and self.no_room > lost:
                self.no_room = lost
                self.held += 1
                return i - first
        return count

    def receive(self, memory: Memory, at: int, octets: int) -> int:
        """Put the next frame there; its length (longer ones are cut), or -1 when there is none."""
        return memory.read_fd(self._socket.fileno(), at, octets)

    def wait(self, timeout_ns: int) -> bool:
        """Wait until a frame came in or the time is over; whether one came. A signal ends the wait."""
        return wait_readable(self._socket.fileno(), timeout_ns)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


def open_socket(interface: str, protocol: int) -> socket.socket:
    """The kernel's packet socket: no queueing discipline in front of the interface, and never blocks."""
    # Without a protocol first: else frames of other interfaces could come before the bind.
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    try:
        made.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        made.bind((interface, protocol))
    except OSError:
        made.close()
        raise
    return made


def wait_readable(fd: int, timeout_ns: int) -> bool:
    """Wait for a descriptor, to the nanosecond where compiled."""
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    return bool(waiting.poll(max(timeout_ns, 0) / 1e6))


def tx_dropped(interface: str) -> int:
    """Frames that the queue of this interface had no room for since it was made (proc_net(5): `dev`). ENODEV."""
    # Of the caller's namespace, where /sys would have to be mounted anew.
    for line in Path("/proc/thread-self/net/dev").read_text(encoding="ascii").splitlines():
        name, _, counted = line.strip().partition(":")
        if name == interface:
            return int(counted.split()[11])
    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), interface)


def _mtu(made: socket.socket, interface: str) -> int:
    """The MTU of an interface (netdevice(7))."""
    answer = fcntl.ioctl(made, _SIOCGIFMTU, struct.pack("16si12x", interface.encode(), 0))
    mtu: int = struct.unpack_from("=i", answer, 16)[0]
    return mtu
