"""Internet checksums of frames on their way: completed where a device was to do it, updated where an address changes.

RFC 1624 equation 3: a checksum that was right stays right, a wrong one stays wrong. <linux/virtio_net.h>: with
NEEDS_CSUM the field holds the sum of the pseudo-header, and the octets from `csum_start` on are still to be added.
"""

from __future__ import annotations

from neatctl.core.channel.records import NEEDS_CSUM, VNET_AT, VNET_CSUM_OFFSET_AT, VNET_CSUM_START_AT, VNET_FLAGS_AT
from neatctl.core.native import Memory

_FLAGS = VNET_FLAGS_AT - VNET_AT
_START = VNET_CSUM_START_AT - VNET_AT
_OFFSET = VNET_CSUM_OFFSET_AT - VNET_AT
_NEEDS_CSUM = NEEDS_CSUM
_ONES = 0xFFFF


def complete(vnet: Memory, vnet_at: int, memory: Memory, at: int, octets: int) -> bool:
    """Fill in the checksum that the virtio_net_hdr leaves to the device, in the frame of so many octets at `at`; False
    if it asks for none, or for one outside of the frame."""
    if not vnet.get8(vnet_at + _FLAGS) & _NEEDS_CSUM:
        return False
    start = vnet.get16h(vnet_at + _START)
    place = start + vnet.get16h(vnet_at + _OFFSET)
    if place + 2 > octets:
        return False
    checksum = memory.sum(at + start, octets - start, 0) ^ _ONES
    # No sum is written as 0: in UDP that means none (RFC 768).
    memory.put16(at + place, checksum if checksum else _ONES)
    return True


def change(old: int, new: int) -> int:
    """What has to be added, for `update`, when 32 bits of the covered octets become others."""
    total = (old >> 16 ^ _ONES) + (old & _ONES ^ _ONES) + (new >> 16) + (new & _ONES)
    total = (total & _ONES) + (total >> 16)
    return (total & _ONES) + (total >> 16)


def update(memory: Memory, at: int, difference: int) -> int:
    """Apply the sum of some `change`s (at most 16 bits) to the checksum there; the new one."""
    total = (memory.get16(at) ^ _ONES) + difference
    checksum = (total & _ONES) + (total >> 16) ^ _ONES
    memory.put16(at, checksum)
    return checksum
