"""Which local port an active open takes (RFC 6056 section 3.3.3, the double hash with one counter).

Replicas share nothing and one address: each takes ports of its own residue, so that two never choose the same. Knows
the flows that there are, and opens nothing.
"""

from __future__ import annotations

from errno import EADDRNOTAVAIL

from neatctl.core.tcp.tables import Tables

FIRST_PORT, LAST_PORT = 32768, 65535
SHARES = 64
"""Replicas with the same index modulo this number might choose the same port."""
_PER_SHARE = (LAST_PORT + 1 - FIRST_PORT) // SHARES


def choose_port(tables: Tables, local: bytes, remote: bytes, remote_port: int) -> int:
    """A port that no connection to this remote endpoint has and nobody listens to; OSError (EADDRNOTAVAIL) if none."""
    far = remote_port.to_bytes(2, "big")
    offset = tables.secrets.port_offset(remote + local + far + tables.birth)
    for _ in range(_PER_SHARE):
        tables.next_port += 1
        port = FIRST_PORT + (offset + tables.next_port) % _PER_SHARE * SHARES + tables.index % SHARES
        if port not in tables.local_ends.ports and remote + local + far + port.to_bytes(2, "big") not in tables.flows:
            return port
    raise OSError(EADDRNOTAVAIL, f"all {_PER_SHARE} ports of this replica for port {remote_port} there are in use")
