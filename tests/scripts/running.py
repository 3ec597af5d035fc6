"""Runs a script against a machine, and tells where they differ.

A machine (`Machine`) is our stack in virtual time (pure.py) or the Linux kernel (kernel.py). Everything that it sends
must be expected by a line, in order and in time; a line that does not hold ends the run with a transcript.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from neatctl.core.native import Memory
from tests.core.tcp.host import Segment
from tests.scripts.reading import ANY, FLAG_LETTERS, Line, Script, Shape

CLIENT = bytes((10, 77, 0, 1))
SERVER = bytes((10, 77, 0, 2))
LISTEN_PORT = 80
BITS = {letter: 1 << i for i, letter in enumerate(FLAG_LETTERS)}
_KINDS = {2: "mss", 3: "ws", 4: "sackok", 5: "sack", 8: "ts"}
_MASK = 0xFFFFFFFF


class Differs(Exception):
    """A line does not hold; says what came instead."""


@dataclass
class Connection:
    """What a script calls by one letter: ports, and the numbers that its own are relative to."""

    name: str
    index: int
    peer_isn: int
    our_isn: int = 0
    active: bool = False
    remote_port: int = 0
    ts_val: int = 0
    """The last TSval that the machine sent."""
    opened: bool = False

    @property
    def peer_port(self) -> int:
        return 40000 + self.index

    @property
    def our_port(self) -> int:
        return 50000 + self.index if self.active else LISTEN_PORT

    def key(self) -> bytes:
        """Of a segment that arrives."""
        return CLIENT + SERVER + self.peer_port.to_bytes(2, "big") + self.our_port.to_bytes(2, "big")


class Machine(Protocol):
    """What is tested. Times are microseconds of its own clock."""

    immediately_us: int
    """How late something may be that is expected at once."""
    tolerance: float
    """Of a time that is said, as a part of it."""
    exact: bool
    """Windows and PSH are compared."""

    def now(self) -> int: ...
    def inject(self, octets: bytes, key: bytes) -> None: ...
    def advance(self, until: int) -> list[tuple[int, bytes, Segment]]: ...
    def call(self, connection: Connection, verb: str, words: list[str]) -> None: ...
    def finish(self) -> None: ...


def pattern(start: int, octets: int) -> bytes:
    """The octets of a stream from `start` on, where a script says no more than how many."""
    period = bytes(ord("a") + i for i in range(23))
    skip = start % 23
    return (period * ((skip + octets) // 23 + 1))[skip : skip + octets]


def run(script: Script, machine: Machine) -> None:
    """Run a script to its end; Differs with the transcript."""
    Runner(script, machine).run()


class Runner:
    """One run."""

    def __init__(self, script: Script, machine: Machine) -> None:
        self.script = script
        self.machine = machine
        self.connections: dict[str, Connection] = {}
        self.queue: deque[tuple[int, bytes, Segment]] = deque()
        self.start = machine.now()
        self.at = self.start
        self.done: list[str] = []

    def run(self) -> None:
        for line in self.script.lines:
            try:
                self._do(line)
            except Differs as wrong:
                raise Differs(self._transcript(line, str(wrong))) from None
            self.done.append(f"{(self.at - self.start) / 1000:12.3f} ms  {line.text}")
        last = self.script.lines[-1]
        self._nothing_else(last)
        try:
            self.machine.finish()
        except Differs as wrong:
            raise Differs(self._transcript(last, str(wrong))) from None

    def connection(self, name: str) -> Connection:
        """By its letter."""
        if name not in self.connections:
            isn = self.script.settings.get("peer-isn", 1_000_000)
            self.connections[name] = Connection(name, ord(name) - ord("a"), isn)
        return self.connections[name]

    def _nothing_else(self, line: Line) -> None:
        self.queue.extend(self.machine.advance(max(self.at, self.machine.now())))
        if self.queue:
            raise Differs(self._transcript(line, "the machine sent what no line expects, behind this one"))

    def _transcript(self, line: Line, wrong: str) -> str:
        text = [f"{self.script.path.name}:{line.number}: {wrong}", *self.done, f"   -->            {line.text}"]
        for time, key, segment in self.queue:
            connection = self._of(key) or self.connection(line.name)
            text.append(f"{(time - self.start) / 1000:12.3f} ms  out.{connection.name} {note(connection, segment)}")
        return "\n".join(text)

    def _of(self, key: bytes) -> Connection | None:
        port = int.from_bytes(key[8:10], "big")
        return next((found for found in self.connections.values() if found.peer_port == port), None)

    def _do(self, line: Line) -> None:
        connection = self.connection(line.name)
        if line.verb == "out":
            assert line.shape is not None
            self._expect(line, connection, line.shape)
            return
        self._pass_to(self.at + (line.after_us or 0))
        if line.verb == "in":
            assert line.shape is not None
            self._inject(connection, line.shape)
        elif line.verb == "open":
            assert line.shape is not None
            self._open(line, connection, line.shape)
        elif line.verb != "quiet":
            if line.verb == "connect":
                connection.active = True
            self.machine.call(connection, line.verb, line.words)

    def _pass_to(self, until: int) -> None:
        """Let time pass, in which nothing is sent."""
        while not self.queue and self.machine.now() < until:
            self.queue.extend(self.machine.advance(until))
        if not self.queue:
            self.queue.extend(self.machine.advance(until))
        if self.queue:
            raise Differs("the machine sent what no line expects, before this one")
        self.at = max(until, self.machine.now())

    def _expect(self, line: Line, connection: Connection, shape: Shape) -> None:
        soonest = latest = self.at
        if line.after_us is not None:
            within = line.within_us
            if within is None:
                within = max(int(line.after_us * self.machine.tolerance), 9_000)
            within += self.machine.immediately_us
            soonest = self.at + max(line.after_us - within, 0)
            latest = self.at + line.after_us + within
        elif line.by_us is not None:
            latest = self.at + line.by_us
        else:
            latest += self.machine.immediately_us
        while not self.queue:
            self.queue.extend(self.machine.advance(latest))
            if not self.queue and self.machine.now() >= latest:
                raise Differs("nothing was sent")
        time, key, segment = self.queue[0]
        if self._of(key) is not connection:
            raise Differs("a segment for another")
        if time > latest or time < soonest:
            raise Differs(f"sent {(time - self.at) / 1000:.3f} ms after the line before")
        if "S" in segment.flags and not connection.opened:
            connection.our_isn = segment.seq
        wrong = compare(connection, shape, segment, self.machine.exact)
        if wrong:
            raise Differs(wrong if wrong.startswith("option") else f"{wrong} differs")
        if "S" in segment.flags:
            connection.opened = True
        if 8 in segment.options:
            connection.ts_val = int.from_bytes(segment.options[8][:4], "big")
        self.queue.popleft()
        self.at = max(time, self.at)

    def _inject(self, connection: Connection, shape: Shape) -> None:
        key = connection.key()
        if shape.source:
            key = bytes(int(part) for part in shape.source.split(".")) + key[4:]
        if shape.target:
            key = key[:4] + bytes(int(part) for part in shape.target.split(".")) + key[8:]
        if shape.port is not None:
            key = key[:10] + shape.port.to_bytes(2, "big")
        if shape.flags == "S":
            connection.opened = connection.opened and connection.active
        self.machine.inject(built(connection, shape, key), key)

    def _open(self, line: Line, connection: Connection, shape: Shape) -> None:
        """A handshake and accept: SYN with these options, what answers it, the third step."""
        if not self.connections or not any(other.opened for other in self.connections.values()):
            self.machine.call(connection, "listen", [])
        self._inject(connection, shape)
        answered = Shape("SA", 0, ack=1, options={}, more_options=True)
        answer = Line(line.number, line.text, "out", line.name, shape=answered)
        self._expect(answer, connection, answered)
        third = Shape("A", 1, ack=1, win=shape.win)
        stamps = shape.options.get(8)
        if isinstance(stamps, tuple):
            third.options[8] = (stamps[0], "last")
        if isinstance(shape.options.get(3), int) and shape.win is not None:
            third.win = shape.win >> int(str(shape.options[3]))
        self._pass_to(self.at + (line.by_us or 0))
        self._inject(connection, third)
        self.machine.call(connection, "accept", [])


def built(connection: Connection, shape: Shape, key: bytes) -> bytes:
    """The octets of a segment that arrives."""
    options = bytearray(shape.raw or b"")
    for kind, value in shape.options.items():
        options += _option(connection, kind, value)
    options += bytes(-len(options) % 4)
    data = pattern(shape.seq - 1, shape.octets) if shape.text is None else shape.text
    header = (20 + len(options)) // 4 if shape.hlen is None else shape.hlen // 4
    bits = sum(BITS[letter] for letter in shape.flags)
    ack = (connection.our_isn + (shape.ack or 0)) & _MASK if "A" in shape.flags else 0
    window = 65535 if shape.win is None else shape.win
    tcp = bytearray(
        key[8:12]
        + ((connection.peer_isn + shape.seq) & _MASK).to_bytes(4, "big")
        + ack.to_bytes(4, "big")
        + bytes((header << 4, bits))
        + window.to_bytes(2, "big")
        + bytes(2)
        + (shape.urg or 0).to_bytes(2, "big")
        + bytes(options)
        + data
    )
    if shape.cut is not None:
        del tcp[shape.cut :]
    if len(tcp) >= 18:
        pseudo = Memory(key[:8]).sum(0, 8, 6 + len(tcp))
        sum_ = ~Memory(bytes(tcp)).sum(0, len(tcp), pseudo) & 0xFFFF
        tcp[16:18] = (sum_ ^ (0x5555 if shape.bad_sum else 0)).to_bytes(2, "big")
    return bytes(tcp)


def _option(connection: Connection, kind: int, value: object) -> bytes:
    if isinstance(value, tuple):
        echo = connection.ts_val if value[1] == "last" else int(value[1])
        return b"\x01\x01\x08\x0a" + int(value[0]).to_bytes(4, "big") + (echo & _MASK).to_bytes(4, "big")
    if isinstance(value, list):
        numbers = [(connection.our_isn + edge) & _MASK for block in value for edge in block]
        octets = b"".join(number.to_bytes(4, "big") for number in numbers)
        return bytes((1, 1, 5, 2 + len(octets))) + octets
    if kind == 2:
        return b"\x02\x04" + int(str(value)).to_bytes(2, "big")
    if kind == 3:
        return bytes((1, 3, 3, int(str(value))))
    return b"\x01\x01\x04\x02"


def note(connection: Connection, segment: Segment) -> str:
    """A segment of the machine as a script would write it."""
    seq = (segment.seq - connection.our_isn) & _MASK
    text = f"{segment.flags or '-'} {seq}" + (f"+{len(segment.data)}" if segment.data else "")
    if "A" in segment.flags:
        text += f" ack {(segment.ack - connection.peer_isn) & _MASK}"
    text += f" win {segment.window}"
    for kind, octets in segment.options.items():
        text += f" {_KINDS.get(kind, kind)} {_said(connection, kind, octets)}"
    return text


def _said(connection: Connection, kind: int, octets: bytes) -> object:
    """The content of an option, as `Shape.options` has it."""
    numbers = [int.from_bytes(octets[i : i + 4], "big") for i in range(0, len(octets), 4)]
    if kind == 8:
        return (numbers[0], numbers[1])
    if kind == 5:
        relative = [(number - connection.peer_isn) & _MASK for number in numbers]
        return list(zip(relative[::2], relative[1::2], strict=True))
    return int.from_bytes(octets, "big") if octets else True


def compare(connection: Connection, shape: Shape, segment: Segment, exact: bool) -> str:
    """What differs, or ""."""
    flags, wanted = set(segment.flags), set(shape.flags)
    if not exact:
        flags, wanted = flags - {"P"}, wanted - {"P"}
    if flags != wanted:
        return "flags"
    if shape.seq not in {ANY, (segment.seq - connection.our_isn) & _MASK}:
        return "sequence number"
    if shape.octets != len(segment.data):
        return "payload"
    data = pattern(shape.seq - 1, shape.octets) if shape.text is None else shape.text
    if shape.octets and shape.seq != ANY and segment.data != data:
        return "payload octets"
    if "A" in wanted and shape.ack not in {ANY, (segment.ack - connection.peer_isn) & _MASK}:
        return "acknowledgment"
    if shape.win is not None and shape.win != ANY:
        if exact and shape.win != segment.window:
            return "window"
        if not exact and (shape.win == 0) != (segment.window == 0):
            return "window"
    return _compare_options(connection, shape, segment)


def _compare_options(connection: Connection, shape: Shape, segment: Segment) -> str:
    for kind, value in shape.options.items():
        if kind not in segment.options:
            return f"option {_KINDS[kind]} is missing"
        said = _said(connection, kind, segment.options[kind])
        if isinstance(value, tuple) and isinstance(said, tuple):
            if any(want not in {ANY, got} for want, got in zip(value, said, strict=True)):
                return "timestamps"
        elif value not in (ANY, said):
            return f"option {_KINDS[kind]}"
    if not shape.more_options and set(segment.options) - set(shape.options):
        return "options: more than expected"
    return ""
