"""What a device is to the driver: a table of a few methods. A TAP is one, a test's list of frames another.

A frame travels behind its virtio_net_hdr of 10 octets (host order), as core/channel/records.py lays them out.
"""

from __future__ import annotations

from neatctl.core.native import Memory

WOULD_BLOCK = -1
REFUSED = -2


class Device:
    """A port of the NIC. Calls never wait."""

    def read(self, memory: Memory, at: int) -> int:
        """Put the next virtio_net_hdr and frame at this offset; how many octets, or WOULD_BLOCK when there is none."""
        raise NotImplementedError

    def write(self, memory: Memory, at: int, octets: int) -> int:
        """Send so many octets of virtio_net_hdr and frame; WOULD_BLOCK when the device has no room now, REFUSED when it
        cannot send this frame, or none at all while its link is down."""
        raise NotImplementedError

    def fileno(self) -> int:
        """The descriptor that is readable when a frame waits, or -1."""
        return -1

    def set_segmentation(self, on: bool) -> None:
        """Whether what is read may be super-frames of many segments; nothing to a device that has none."""

    def close(self) -> None:
        """Let the device go."""
