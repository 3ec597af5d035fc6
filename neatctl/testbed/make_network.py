"""The short-lived process that makes the clients' network: `python -m neatctl.testbed.make_network NETNS CIDR..`.

Makes the namespace (none if NETNS is empty: then ours is the clients'), the TAP in it and its addresses,
and passes the TAP's descriptor over stdin. What cannot be is one line that says what to do.
rtnetlink(7), <linux/if_tun.h>.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from pathlib import Path

from pyroute2 import IPRoute, NetlinkError, netns

from neatctl.nic.devices.tap import open_tap

DEVICE = "neat0"
IFA_F_NODAD = 2


def explain(error: OSError) -> str:
    """Why there is no network, and what to do."""
    if error.filename == "/dev/net/tun" or error.errno in {errno.ENODEV, errno.ENXIO}:
        if error.errno in {errno.EACCES, errno.EPERM}:
            return "/dev/net/tun cannot be opened: run as root, or let everybody use it (`chmod 0666 /dev/net/tun`)"
        return "this machine has no /dev/net/tun: `mkdir -p /dev/net && mknod /dev/net/tun c 10 200`, or `modprobe tun`"
    return f"the clients' network cannot be made: {error.strerror or error}"


def make(name: str, client_interfaces: list[str]) -> int:
    """Make everything; the TAP's descriptor."""
    if name:
        netns.create(name)
        netns.setns(name)
    with contextlib.suppress(OSError), open("/proc/sys/net/ipv4/ip_forward", "r+", encoding="ascii") as forwarding:
        # A new namespace has this from the host. What replayed frames make the stack send is nobody's.
        if forwarding.read().strip() == "1":
            forwarding.seek(0)
            forwarding.write("0\n")
    fd = open_tap(DEVICE)
    _take_no_advice(DEVICE, any(":" in each for each in client_interfaces))
    with IPRoute() as route:
        route.link("set", index=route.link_lookup(ifname="lo")[0], state="up")
        device = route.link_lookup(ifname=DEVICE)[0]
        for address, _, prefix_length in (each.partition("/") for each in client_interfaces):
            # Nobody else can have it yet, so it serves at once.
            flags = {"flags": IFA_F_NODAD} if ":" in address else {}
            route.addr("add", index=device, address=address, prefixlen=int(prefix_length), **flags)
        # The ring of the TAP is the queue; one more before it only costs (veth has none either).
        route.tc("replace", kind="noqueue", index=device)
        route.link("set", index=device, state="up")
    return fd


def _take_no_advice(device: str, six: bool) -> None:
    """The clients' side of the link is a host with given addresses: it configures none itself."""
    settings = {"disable_ipv6": "0" if six else "1", "accept_ra": "0", "dad_transmits": "0"}
    for key, value in settings.items():
        with contextlib.suppress(OSError):
            Path(f"/proc/sys/net/ipv6/conf/{device}/{key}").write_text(value, encoding="ascii")


def main() -> None:
    """The process."""
    try:
        fd = make(sys.argv[1], sys.argv[2:])
    except NetlinkError as error:
        sys.exit(f"the clients' network cannot be made: {error}")
    except OSError as error:
        sys.exit(explain(error))
    with socket.socket(fileno=0) as channel:
        socket.send_fds(channel, [b"\0"], [fd])
        channel.detach()


if __name__ == "__main__":
    main()
