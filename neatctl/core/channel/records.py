"""What the records of the data channels mean: frames between driver and replica, socket records between
replica and application.

A record of a NIC queue is a descriptor of 16 octets and a frame:

    0 hash (32, network order)   4 kind   5 NIC   6 virtio_net_hdr (10 octets, host order)   16 frame

so that `virtio_net_hdr` and frame lie together as a TAP reads and writes them. A socket record is a
header of 16 octets (network order) and, for some kinds, octets:

    0 kind   1 flags   2 zero (16)   4 id (32)   8 value (32)   12 second (32)   16 payload

Knows only the layouts; who may say what, and when, is the business of the two ends.
"""

from __future__ import annotations

# ---- NIC queues ----
HASH_AT = 0
KIND_AT = 4
NIC_AT = 5
VNET_AT = 6
VNET_OCTETS = 10
FRAME_AT = 16

FRAME = 0
"""A frame, in either direction."""
FLOW = 1
"""Replica to driver: a live flow of mine, to be tracked. From octet 16: its key as it arrives (12 or 36 octets:
source address, destination address, source port, destination port)."""
FLOWS_TOLD = 2
"""Replica to driver: all my live flows are told; open my queue."""

# Offsets within a record of virtio_net_hdr's fields; flags and types as in <linux/virtio_net.h>.
VNET_FLAGS_AT = 6
VNET_GSO_TYPE_AT = 7
VNET_HEADER_OCTETS_AT = 8
VNET_GSO_SIZE_AT = 10
VNET_CSUM_START_AT = 12
VNET_CSUM_OFFSET_AT = 14
NEEDS_CSUM = 1
"""The transport checksum holds the pseudo-header's sum only; whoever sends it on a wire completes it."""
DATA_VALID = 2
"""The transport checksum was verified by the device."""
GSO_NONE = 0
GSO_TCPV4 = 1
GSO_TCPV6 = 4

MAX_FRAME = 65550
"""A super-frame: 14 octets of Ethernet and a datagram of at most 65,535, rounded up."""

# ---- socket channels ----
SOCKET_HEADER = 16
SOCKET_KIND_AT = 0
SOCKET_FLAGS_AT = 1
SOCKET_ID_AT = 4
SOCKET_VALUE_AT = 8
SOCKET_SECOND_AT = 12

# Replica to application.
ACCEPTED = 1
"""A connection: id is the connection's, value the listener's, second the room for octets to send at first.
Payload: remote port, local port (16 each), remote address, local address (4 octets each, or 16)."""
DATA = 2
"""Octets received, in order."""
END = 3
"""The peer sent its FIN: no more octets."""
RESET = 4
"""The connection is gone; value is an errno (ECONNRESET, ETIMEDOUT, EHOSTUNREACH). The id is free."""
ROOM = 5
"""value more octets may be sent."""
URGENT = 6
"""The peer's urgent pointer: urgent octets end value octets after those that were told so far (RFC 6093)."""
INFO = 7
"""The answer to QUERY; value is the query's. Payload: Linux's struct tcp_info."""
OPENING = 8
"""A CONNECT (value is its number) is under way as connection id; ACCEPTED of listener 0 follows, or RESET. Payload: as
ACCEPTED, the local end chosen."""
REFUSED = 9
"""A CONNECT cannot be: value is its number, second an errno."""
DATAGRAM = 10
"""A datagram for the socket id. Payload: its ends as in ACCEPTED, value octets of them, then its octets."""
UNDELIVERED = 11
"""A datagram of the socket id did not arrive: value is an errno, second 1 if it did not leave (0: the other end, or a
host on the way, said so). Payload: its ends, as in SEND_TO."""

# Application to replica.
SEND = 16
"""Octets to send; flags may hold THEN_SHUT or THEN_CLOSE."""
SHUT = 17
"""No more octets will be sent (shutdown(SHUT_WR))."""
CLOSE = 18
"""Close in order; the id is free for the application, which ignores later records of it."""
ABORT = 19
"""Reset the connection; the id is free."""
CONSUMED = 20
"""The application took value octets out of its buffer: the receive window may open again by as many."""
TAKEN = 21
"""id is a listener's: value connections were taken from its queue of accepted ones."""
OPTION = 22
"""value is an option of channel/socket_options.py, second its value."""
QUERY = 23
"""Asks for INFO; value comes back in it."""
CONNECT = 24
"""Open a connection; id is a number of the application's own. Payload: remote port, local port (0: the replica
chooses), remote address, local address (zeros: the replica's), then options (channel/socket_options.py) that the
connection begins with, each number and value (32 bits each); value is how many octets of it are ports and addresses
(12 or 36)."""

SEND_TO = 25
"""A datagram of the socket id. Payload: its ends (remote port, 16 zeros, remote address, local address; zeros: the
replica's), value octets of them, 12 or 36, then its octets."""

THEN_SHUT = 1
THEN_CLOSE = 2

NODELAY = 1
"""OPTION: 1 turns Nagle's algorithm off. The others are in channel/socket_options.py."""

MAX_SEND = 65536
"""The most octets in one SEND or DATA record."""
MAX_DATAGRAM = 65527
"""The most octets in one datagram: over IPv6; over IPv4 they are 20 fewer."""
MAX_ENDS = 36
"""The most octets of ports and addresses."""
