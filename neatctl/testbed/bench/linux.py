"""`--versus linux`: lighttpd on the Linux stack, for the clients of a testbed.

Debian's lighttpd in a network namespace of its own, joined to the clients' namespace by a veth pair; the same files,
the same load client, in the same minutes. It closes a connection after 1,000 requests, as our web server does (the
paper's section 5). Several instances listen on ports of their own, as our web servers do.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from neatctl.testbed.bench.against import LINUX
from neatctl.testbed.bench.results import TargetFacts
from neatctl.testbed.bench.runner import Target
from neatctl.testbed.bench.server_process import server_process
from neatctl.testbed.bench.site import network_beside

MAX_REQUESTS = 1000
"""On a connection."""
_NETWORKS = ("10.91.0.1/24", "10.191.0.1/24")
PLACES = ":/usr/sbin:/sbin"


def program() -> str | None:
    """Where lighttpd is; Debian's place is on the path of root alone."""
    return shutil.which("lighttpd", path=os.environ.get("PATH", os.defpath) + PLACES)


def lacks() -> str:
    """What the comparison needs and this machine has not, with the remedy; "" if all is there."""
    return "" if program() else "--versus linux needs lighttpd: apt-get install lighttpd"


@contextlib.contextmanager
def lighttpd(beside: Target, files: Path, instances: int = 1) -> Iterator[Target]:
    """lighttpd beside a target, serving the directory `files` to clients of the same namespace. Whatever ends the
    block, nothing of it is left. CannotMeasure if it does not start."""
    cidr = network_beside(beside.facts.url, _NETWORKS)
    arguments = [program() or "lighttpd", cidr, str(files), str(instances), str(MAX_REQUESTS)]
    with server_process(beside, "neatctl.testbed.bench.linux_process", arguments) as ready:
        facts = TargetFacts(name=LINUX, url=ready.urls[0], version=ready.version)
        pids = {LINUX: ready.pids}
        yield Target(facts, beside.client_prefix, beside.client_netns, lambda: pids, urls=tuple(ready.urls))
