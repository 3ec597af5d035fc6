"""A TAP interface of Linux as a device: frames with a virtio_net_hdr, so that offloads work through it.

With TUNSETOFFLOAD the kernel hands over TCP super-frames of up to 64 KiB whose checksum is not filled in
(flag NEEDS_CSUM), and takes the same from us. A frame of the kernel's with that flag, or with DATA_VALID,
never was on a wire: it is passed on as it is, and nobody verifies its checksum.
<linux/if_tun.h>, <linux/virtio_net.h>; knows nothing of what is in the frames.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from neatctl.core.channel.records import MAX_FRAME, VNET_OCTETS
from neatctl.core.native import Memory
from neatctl.nic.devices.face import REFUSED, Device

_TUNSETIFF = 0x400454CA
_TUNSETOFFLOAD = 0x400454D0
_TUNSETVNETHDRSZ = 0x400454D8
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000
_IFF_VNET_HDR = 0x4000
_OFFLOAD_CSUM = 1
_OFFLOAD_TSO = 2 | 4
"""IPv4 and IPv6."""
_REFUSALS = frozenset({errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.ENOBUFS, errno.ENOMEM, errno.EOPNOTSUPP})
_MOST = VNET_OCTETS + MAX_FRAME
_REFUSED = REFUSED


def open_tap(name: str, checksum_offload: bool = True, segmentation_offload: bool = True) -> int:
    """Make or take over the TAP of this name in the network namespace of the caller; its descriptor, which does not
    block and is not inherited. OSError as the kernel says: EPERM without rights, EBUSY when somebody has it."""
    octets = name.encode()
    if not 0 < len(octets) < 16:
        raise ValueError(f"an interface has a name of 1 to 15 octets, not {name!r}")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", octets, flags))
        fcntl.ioctl(fd, _TUNSETVNETHDRSZ, struct.pack("i", VNET_OCTETS))
        # The kernel segments only what it also checksums.
        offload = _OFFLOAD_CSUM | (_OFFLOAD_TSO if segmentation_offload else 0) if checksum_offload else 0
        fcntl.ioctl(fd, _TUNSETOFFLOAD, offload)
    except OSError:
        os.close(fd)
        raise
    return fd


class Tap(Device):
    """The TAP behind a descriptor of `open_tap`, which belongs to this object from now on."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        os.set_blocking(fd, False)

    def read(self, memory: Memory, at: int) -> int:
        return memory.read_fd(self._fd, at, _MOST)

    def write(self, memory: Memory, at: int, octets: int) -> int:
        try:
            return memory.write_fd(self._fd, at, octets)
        except OSError as error:
            if error.errno in _REFUSALS:
                return _REFUSED
            raise

    def set_segmentation(self, on: bool) -> None:
        try:
            fcntl.ioctl(self._fd, _TUNSETOFFLOAD, _OFFLOAD_CSUM | (_OFFLOAD_TSO if on else 0))
        except OSError as error:
            if error.errno != errno.ENOTTY:  # what plays a TAP in a test puts no segments together
                raise

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
