"""The process of the ceiling: `python -m neatctl.testbed.bench.limit_process PID CIDR CONTENT`, on the clients' side.

Makes a TAP there with the clients' address CIDR (10.92.0.1/24), answers beside it as the network's last host but
one, says so in one line (`server_process.Ready`), and serves the file CONTENT until it is ended. The TAP goes with it.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import sys
from pathlib import Path

from pyroute2 import IPRoute, NetlinkError

from neatctl.core.native import COMPILED
from neatctl.nic.devices.tap import open_tap
from neatctl.testbed.bench.limit_answers import Answers
from neatctl.testbed.bench.server_process import Ready, end_with_parent, say
from neatctl.testbed.bench.site import server_of

_PERMANENT = 0x80
"""A neighbour that is never asked for: NUD_PERMANENT of <linux/neighbour.h>."""


def make_device(name: str, cidr: str, mac: bytes) -> int:
    """The TAP, up, with its address and its one neighbour; its descriptor."""
    address, _, prefix_length = cidr.partition("/")
    fd = open_tap(name)
    with IPRoute() as route:
        device = route.link_lookup(ifname=name)[0]
        route.addr("add", index=device, address=address, prefixlen=int(prefix_length))
        route.link("set", index=device, state="up")
        neighbour = {"dst": str(server_of(cidr)), "lladdr": mac.hex(":"), "ifindex": device, "state": _PERMANENT}
        route.neigh("add", **neighbour)
    return fd


def main() -> int:
    """The process."""
    parent, cidr, content = sys.argv[1:4]
    end_with_parent(int(parent))
    mac = b"\x02" + os.urandom(5)
    server = server_of(cidr)
    try:
        fd = make_device(f"lim{parent}", cidr, mac)
    except (NetlinkError, OSError) as error:
        why = "this machine has no /dev/net/tun" if getattr(error, "errno", 0) == errno.ENODEV else str(error)
        say(Ready(failed=f"the ceiling's device cannot be made: {why}"))
        return 1
    answers = Answers(mac, server.packed, ipaddress.IPv4Interface(cidr).ip.packed, Path(content).read_bytes())
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    say(Ready(urls=[f"http://{server}"], pids=[os.getpid()], compiled=COMPILED))
    answers.serve(fd)
    return 0


if __name__ == "__main__":
    sys.exit(main())
