"""The web server as a program: `python -m neatctl.apps.web RUN_DIRECTORY [--web DIR]`.

SIGTERM ends it when what was asked for is sent, at most some seconds later; SIGHUP reads the directory
again. A directory that cannot be served, or a stack that cannot be reached, is one line and exit code 1.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import time

from neatctl.apps.web import site as sites
from neatctl.apps.web.http import Options, Service
from neatctl.apps.web.server import Server
from neatctl.apps.web.stack_network import StackNetwork
from neatctl.core.sockets import Pace, Stack


def arguments() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m neatctl.apps.web", description="The web server of a testbed.")
    made.add_argument("run_directory", help="of the running testbed")
    made.add_argument("--web", metavar="DIR", help="serve this directory, held in memory; default: the built-in site")
    made.add_argument("--port", type=int, default=80)
    made.add_argument("--max-requests", type=int, default=1000, help="per connection, 0 for no end; default 1000")
    made.add_argument("--max-octets", type=int, default=sites.MAX_OCTETS, help="of all content; default 1 GiB")
    made.add_argument("--transport", choices=("ipc", "inproc"), default="ipc", help="of control messages")
    made.add_argument("--channel", choices=("ring", "zmq", "zmq-inproc"), default="ring", help="of data")
    made.add_argument("--spin", type=int, help="looks into the rings before sleep")
    return made


class Signals:
    """What was asked of this process since it was last looked at; as a thread it is asked by setting `end`."""

    def __init__(self, threaded: bool = False) -> None:
        self.end = False
        self.reload = False
        if threaded:
            return
        signal.signal(signal.SIGTERM, self._asked)
        signal.signal(signal.SIGINT, self._asked)
        signal.signal(signal.SIGHUP, self._asked)

    def _asked(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP:
            self.reload = True
        else:
            self.end = True


def read_site(directory: str | None, max_octets: int) -> sites.Site:
    """The site to serve; names that are left out are told on standard error."""
    if directory is None:
        return sites.built_in(int(time.time()))
    site = sites.load(directory, max_octets)
    for skipped in site.skipped:
        print(f"web: not served: {skipped}", file=sys.stderr)
    print(f"web: {len(site.entries)} paths, {site.octets} octets of {directory}", file=sys.stderr, flush=True)
    return site


def serve(options: argparse.Namespace, signals: Signals) -> None:
    """Serve until told to end."""
    site = read_site(options.web, options.max_octets)
    gc.freeze()  # A site stays as it is: no collection needs to walk through it.
    with Stack.connect_to(options.run_directory, "web", options.transport, options.channel) as stack:
        if options.spin is not None:
            stack.spin.set(Pace(options.spin))
        server = Server(StackNetwork(stack, options.port), Service(site, Options(max_requests=options.max_requests)))

        def on_turn(now: int) -> None:
            if signals.reload:
                signals.reload = False
                try:
                    server.service.install(read_site(options.web, options.max_octets))
                except sites.SiteError as error:
                    print(f"web: still serving what was read before: {error}", file=sys.stderr, flush=True)
            if signals.end:
                server.drain(now)

        server.run(on_turn)
        stack.flush()


def serve_in_thread(argv: list[str], signals: Signals) -> None:
    """With `--transport inproc` the whole testbed is one process: a thread that spins would stop the others."""
    serve(arguments().parse_args(["--spin", "0", *argv]), signals)


def main() -> int:
    options = arguments().parse_args()
    # As the replicas do: bursts grow with the load.
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    try:
        serve(options, Signals())
    except sites.SiteError as error:
        print(f"web: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"web: {options.run_directory}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
