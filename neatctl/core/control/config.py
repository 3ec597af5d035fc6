"""The configuration of each component: typed records, filled by the supervisor, carried by Assign.

Units are in the names, defaults beside them. Nothing below the supervisor reads options, files of the
user or the environment.
"""

from __future__ import annotations

import msgspec

GSO_OCTETS = 61440
"""TCP octets of a super-frame: a datagram holds 65,535."""


class ReplicaConfig(msgspec.Struct, array_like=True, frozen=True):
    """One replica of the stack. Replicas are numbered from 1."""

    index: int
    generation: int
    run_directory: str
    transport: str
    """Control messages: ipc or inproc."""
    channel: str
    """Data channels: ring or zmq."""
    address: str
    prefix_length: int
    gateway: str
    """The next hop off the link, or ""."""
    mac: bytes
    isn_key: bytes
    """16 octets, secret, the same for all replicas of a boot (RFC 6528)."""
    mtu: int = 1500
    gso_octets: int = GSO_OCTETS
    """The most TCP octets in one super-frame; 0 where the device cannot segment."""
    checksum_offload: bool = True
    receive_buffer_octets: int = 262144
    send_buffer_octets: int = 1048576
    max_connections: int = 65536
    time_wait_us: int = 60_000_000
    spin_turns: int = 50
    address6: str = ""
    """The fixed IPv6 address; "" for no IPv6."""
    prefix_length6: int = 64
    gateway6: str = ""
    """The next hop of IPv6 off the link as long as no router says otherwise, or ""."""
    ecn: bool = False
    """Connections that applications open ask for ECN."""
    receive_buffer_most_octets: int = 4_194_304
    """A receive buffer that no program has set grows up to this with what the program reads; 0: it never grows."""
    growth_octets: int = 134_217_728
    """How much the buffers of all connections may grow together, in both directions."""
    send_buffer_most_octets: int = 4_194_304
    """A send buffer that no program has set grows up to this with cwnd; 0: it never grows."""


class DriverConfig(msgspec.Struct, array_like=True, frozen=True):
    """The driver of one NIC. The device's descriptor comes over the child's control socket pair (stdin)."""

    index: int
    generation: int
    run_directory: str
    transport: str
    channel: str
    mac: bytes
    rss_key: bytes
    """40 octets, secret, random per boot."""
    impair: str = ""
    """For example `loss=5%`; "" for none."""
    seed: int = 0
    flows: int = 1 << 17
    """Room of the tracking table."""
    time_wait_us: int = 60_000_000
    spin_turns: int = 50


class SyscallConfig(msgspec.Struct, array_like=True, frozen=True):
    """The SYSCALL server."""

    generation: int
    run_directory: str
    transport: str
    channel: str
    address: str
    snapshot: bytes = b""
    """What the last incarnation knew (Snapshot), or b""."""
    address6: str = ""


class TestbedConfig(msgspec.Struct, frozen=True):
    """A whole testbed, as its supervisor gets it: settings of the user, and secrets that outlive every component."""

    name: str
    run_directory: str
    replicas: int
    transport: str
    channel: str
    address: str
    """Of the appliance, without a prefix length."""
    prefix_length: int
    client_address: str
    """Of the clients' side of the link."""
    mac: bytes
    isn_key: bytes
    rss_key: bytes
    web: str = ""
    """The directory that is served; "" for the built-in site."""
    impair: str = ""
    seed: int = 0
    placement: str = "auto"
    """Of `control/placement.py`."""
    address6: str = ""
    """Of the appliance, "" for no IPv6."""
    prefix_length6: int = 64
    client_address6: str = ""
    ecn: bool = False
    """Of `ReplicaConfig`."""
