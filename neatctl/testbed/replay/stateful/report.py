"""What came of a stateful replay: a record for each connection and for all, printed as JSON or for people."""

from __future__ import annotations

import socket

import msgspec

from neatctl.testbed.replay.stateful.comparison import DATES, Comparison, Difference, dump
from neatctl.testbed.replay.stateful.player import UNFINISHED_ENDS, Player
from neatctl.testbed.replay.stateful.script import CLOSED, REFUSED, UNANSWERED, Endpoint
from neatctl.testbed.screens import note, show_table

SCHEMA = 1
SHOWN = 20
"""Connections that people see."""
EQUAL, DIFFERENT, UNFINISHED = "equal", "different", "unfinished"


class Connection(msgspec.Struct, frozen=True):
    """One captured connection, played."""

    number: int
    """Its place in the capture, from 1 on."""
    client: str
    server: str
    """As captured: address and port."""
    played_as: str
    """The client's address and port on the testbed's link."""
    verdict: str
    """equal or different: the server's octets, and that it answered at all if the captured one did; unfinished: equal
    as far as it went, but it was given up."""
    captured_ended: str
    """closed (FIN both ways), reset by client, reset by server, refused (RST to the SYN), unanswered, cut (the capture
    ends before the connection)."""
    ended: str
    """As captured_ended; also timeout, limit (of time), endless: it went on and on. For `cut` the player reset it."""
    captured_octets: int
    """The server's, those that the capture lacks among them."""
    live_octets: int
    unknown_octets: int
    """The server's octets that the capture lacks: equal to anything."""
    lost_from_octet: int | None
    """The first octet of the client that the capture lacks; nothing from there on was played."""
    client_octets: int
    difference: Difference | None
    masked_places: int
    """What of the captured octets `ignored` matched: that was not compared, ..."""
    masked_different: int
    """... and at how many of these places the live octets were others."""
    segments: int
    """Of the captured client."""
    played: int
    merged: int
    """Bare ACKs that were not sent, since what they acknowledge had been acknowledged."""
    unplayed: int
    """Segments that were never sent: the play ended before."""
    own_acks: int
    retransmitted: int
    """Segments that the player had to send again."""
    unexpected: int
    """Segments of the live server that cannot be of this connection."""
    repeated: int
    """Frames that the capture has twice."""
    stray: int
    """Captured segments with numbers that are too far off."""
    seconds: float

    @property
    def held(self) -> bool:
        return self.verdict == EQUAL


class StatefulReport(msgspec.Struct):
    """All of a capture."""

    schema: int
    file: str
    server: str
    speed: float
    """0 for as fast as the server lets it."""
    ignored: list[str]
    """Regular expressions; what they match was not compared. The Date header of HTTP is the first unless --with-dates
    was given."""
    frames: int
    bad: str
    """Where the file stopped making sense, or ""."""
    skipped: dict[str, int]
    """What was not played, by reason: connections, or frames that belong to none."""
    connections: list[Connection]
    equal: int = 0
    different: int = 0
    unfinished: int = 0
    masked_places: int = 0
    masked_different: int = 0
    ended: dict[str, int] = {}
    """Connections by how they ended."""
    end_differs: int = 0
    """Connections that the live server ended in another way than the captured one."""
    frames_without_room: int = 0
    """Frames that the link had no room for; they were sent again."""
    interrupted: bool = False
    unplayed: int = 0
    """Connections that were not begun when it was interrupted."""
    seconds: float = 0.0

    @property
    def held(self) -> bool:
        """Whether there were connections, and all of them equal."""
        return 0 < self.equal == len(self.connections) and not self.bad and not self.interrupted

    def add(self, connection: Connection) -> None:
        """One more."""
        self.connections.append(connection)
        self.equal += connection.verdict == EQUAL
        self.different += connection.verdict == DIFFERENT
        self.unfinished += connection.verdict == UNFINISHED
        self.masked_places += connection.masked_places
        self.masked_different += connection.masked_different
        self.ended[connection.ended] = self.ended.get(connection.ended, 0) + 1
        self.end_differs += connection.ended != connection.captured_ended


def name_of(endpoint: Endpoint) -> str:
    """ADDRESS:PORT."""
    return f"{socket.inet_ntoa(endpoint[0])}:{endpoint[1]}"


def connection_of(player: Player, source: Endpoint, compared: Comparison, seconds: float) -> Connection:
    """The record of a play that is over."""
    script = player.script
    silent = player.ended in {REFUSED, UNANSWERED} and script.ended not in {REFUSED, UNANSWERED}
    verdict = UNFINISHED if player.ended in UNFINISHED_ENDS else EQUAL
    return Connection(
        script.number,
        name_of(script.client),
        name_of(script.server),
        name_of(source),
        DIFFERENT if compared.difference is not None or silent else verdict,
        script.ended,
        player.ended,
        script.expected,
        len(player.receipt.answers),
        sum(end - begin for begin, end in script.holes),
        script.cut_at if script.cut_at >= 0 else None,
        len(script.sent),
        compared.difference,
        compared.masked_places,
        compared.masked_different,
        len(script.segments),
        player.played,
        player.merged,
        player.unplayed,
        player.own_acks,
        player.flight.retransmitted,
        player.unexpected,
        script.repeated,
        script.stray,
        round(seconds, 6),
    )


def show(report: StatefulReport) -> None:
    """A row for each connection while they are few, else for those that differ; where they differ; counts."""
    few = len(report.connections) <= SHOWN
    shown = [each for each in report.connections if few or not each.held][:SHOWN]
    columns = ("#", "client", "verdict", "captured octets", "live octets", "captured end", "live end", "sent again")
    rows = [
        (
            each.number,
            each.client,
            each.verdict,
            each.captured_octets,
            each.live_octets,
            each.captured_ended,
            each.ended,
            each.retransmitted,
        )
        for each in shown
    ]
    if rows:
        show_table(f"{report.file} played against {report.server}", columns, rows, (0, 3, 4, 7))
    for each in shown:
        _show_connection(each)
    _show_counts(report, len(shown))


def _show_connection(each: Connection) -> None:
    difference = each.difference
    if difference is not None:
        at, live_at = difference.captured_offset, difference.live_offset
        live = f" (live: {live_at})" if live_at != at else ""
        print(f"connection {each.number}: the first difference is at octet {at}{live}")
        print(f"  captured {dump(at - difference.before, bytes.fromhex(difference.captured_hex), difference.before)}")
        print(f"  live     {dump(live_at - difference.before, bytes.fromhex(difference.live_hex), difference.before)}")
    lacks = f"connection {each.number}: the capture lacks"
    if each.unknown_octets:
        note(f"{lacks} {each.unknown_octets:,} octets of the server; they count as equal")
    if each.lost_from_octet is not None:
        note(f"{lacks} the client's octet {each.lost_from_octet:,}; only what comes before it was played")


def _show_counts(report: StatefulReport, shown: int) -> None:
    unequal = report.different + report.unfinished
    if len(report.connections) > SHOWN and unequal > shown:
        note(f"{unequal - shown:,} more are not equal; --json has them all")
    ways = ", ".join(f"{count:,} {way}" for way, count in sorted(report.ended.items()))
    note(f"{len(report.connections):,} connections in {report.seconds:.2f} s: {report.equal:,} equal, "
         f"{report.different:,} different, {report.unfinished:,} unfinished; live ends: {ways or 'none'}")  # fmt: skip
    for reason, count in sorted(report.skipped.items()):
        note(f"not played: {count:,} {reason}")
    if report.masked_places:
        names = ("Date headers (--with-dates compares them)" if each == DATES else each for each in report.ignored)
        note(f"not compared: {report.masked_places:,} places, {report.masked_different:,} of which differ: "
             f"{', '.join(names)}")  # fmt: skip
    refused = report.ended.get(REFUSED, 0)
    if refused and refused == len(report.connections) and any(e.captured_ended == CLOSED for e in report.connections):
        note("the live server refused every connection; --server ADDRESS:PORT names another port than the captured one")
    if report.frames_without_room:
        note(f"the link had no room for {report.frames_without_room:,} frames; they were sent again")
    if not report.connections and not report.interrupted:
        note("the capture has no TCP connection that could be played")
    if report.bad:
        note(f"{report.file}: {report.bad}; everything before was played")
    if report.interrupted:
        note(f"interrupted: what was being played was reset, {report.unplayed:,} connections were not begun")
