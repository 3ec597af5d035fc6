"""What went wrong, by class and by reason, and which connections broke. Classes are those of httperf and a few more."""

from __future__ import annotations

import errno
from collections import Counter

import msgspec

from neatctl.apps.load import answer

CLASSES = (
    "timeout", "refused", "reset", "unreachable", "closed", "status", "content", "ports", "fd_limit", "other",
)  # fmt: skip
MOST_BROKEN = 10_000
MOST_REASONS = 200

_CLASS = {
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ECONNABORTED: "reset",
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EMFILE: "fd_limit",
    errno.ENFILE: "fd_limit",
}
_PORTS = {errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EAGAIN}
_WRONG = {
    answer.LENGTH: ("content", "another length than the first answer or --expect-octets"),
    answer.DIFFERS: ("content", "other octets than the first answer"),
    answer.EXCESS: ("content", "more octets than Content-Length"),
    answer.MALFORMED: ("other", "malformed head"),
    answer.CODED: ("other", "Transfer-Encoding, which is not read"),
    answer.NO_LENGTH: ("other", "no Content-Length"),
    answer.LONG_HEAD: ("other", f"head of more than {answer.MAX_HEAD} octets"),
}


class Broken(msgspec.Struct):
    """A connection that failed after an answer, or gave a wrong one."""

    connection: int
    local_port: int
    at_s: float
    """From the begin of the load."""
    error: str


class Outcome:
    """All that failed. `errors` and `reasons` are of the measured period."""

    def __init__(self) -> None:
        self.errors = dict.fromkeys(CLASSES, 0)
        self.reasons: Counter[str] = Counter()
        self.total = 0
        """Since the begin."""
        self.broken: list[Broken] = []
        self.broken_left_out = 0
        self.broken_connections = 0

    def measure(self) -> None:
        """What happened so far was the warm-up."""
        self.errors = dict.fromkeys(CLASSES, 0)
        self.reasons.clear()

    def failed(self, kind: str, reason: str) -> None:
        """One error, under its class and as what was seen."""
        self.errors[kind] += 1
        self.total += 1
        name = reason if kind in {"status", "content", "other"} else f"{kind}: {reason}"
        # A server may invent statuses: their number is bounded, and what is beyond still counted.
        self.reasons[name if name in self.reasons or len(self.reasons) < MOST_REASONS else "further reasons"] += 1

    def broke(self, connection: int, port: int, at_us: int, kind: str, first: bool) -> None:
        """A connection broke; `first`: it never did before."""
        self.broken_connections += first
        if len(self.broken) < MOST_BROKEN:
            self.broken.append(Broken(connection, port, at_us / 1_000_000, kind))
        else:
            self.broken_left_out += 1

    @staticmethod
    def wrong(verdict: int, status: int) -> tuple[str, str]:
        """Class and reason of a verdict."""
        return ("status", f"status {status}") if verdict == answer.STATUS else _WRONG[verdict]


def class_of(code: int, connecting: bool) -> str:
    """The class of an errno."""
    return "ports" if connecting and code in _PORTS else _CLASS.get(code, "other")


def reason_of(code: int) -> str:
    """Its name."""
    return errno.errorcode.get(code, f"errno {code}")
