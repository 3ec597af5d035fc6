"""The machine of scripts that is ours: a TcpLayer in virtual time, with an application that does what lines say."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from neatctl.core.channel import socket_options
from neatctl.core.channel.records import (
    ABORT,
    ACCEPTED,
    CLOSE,
    CONSUMED,
    DATA,
    END,
    NODELAY,
    OPTION,
    RESET,
    SEND,
    SHUT,
    TAKEN,
    THEN_CLOSE,
    THEN_SHUT,
    URGENT,
)
from neatctl.core.tcp.states import STATE_NAMES
from tests.core.tcp.host import APP, CLIENT, LISTENER, PORT, SERVER, Host, Segment
from tests.scripts.reading import Script
from tests.scripts.running import Connection, Differs, pattern

_SETTINGS = {
    "receive": "receive_buffer_octets",
    "send": "send_buffer_octets",
    "mtu": "mtu",
    "time-wait": "time_wait_us",
    "connections": "max_connections",
}
_ICMP = {"net-unreachable": 0, "host-unreachable": 1, "protocol-unreachable": 2, "port-unreachable": 3}


@dataclass
class Program:
    """What the application knows of one connection."""

    id: int = 0
    listener: int = 0
    accepted: bool = False
    unread: bytearray = field(default_factory=bytearray)
    ended: bool = False
    error: int = 0
    urgent: int = 0
    """Where urgent octets end, counted from what was told before."""
    sent: int = 0
    received: int = 0


class PureMachine:
    """Our stack."""

    immediately_us = 0
    tolerance = 0.0
    exact = True

    def __init__(self, script: Script) -> None:
        settings = {_SETTINGS[name]: value for name, value in script.settings.items() if name in _SETTINGS}
        self.host = Host(nic_octets=1 << 17, app_octets=1 << 17, gso_octets=0, **settings)
        self.host.tcp.unlisten(LISTENER, self.host.now)
        self.programs: dict[int, Program] = {}
        self.by_id: dict[int, Program] = {}

    def now(self) -> int:
        return self.host.now

    def inject(self, octets: bytes, key: bytes) -> None:
        self.host.arrive(key, octets)

    def advance(self, until: int) -> list[tuple[int, bytes, Segment]]:
        """What is sent first, up to this time."""
        host = self.host
        while True:
            self._hear()
            sent = host.sent()
            self._hear()
            if sent:
                return [(host.now, segment.key, segment) for segment in sent]
            due = host.tcp.deadline()
            if host.now >= until and not 0 <= due <= host.now:
                return []
            host.now = max(host.now, min(due, until) if due >= 0 else until)
            host.tcp.expire(host.now)

    def finish(self) -> None:
        """At the end of a script nothing is left that no line asked for."""
        self._hear()
        for program in self.programs.values():
            if program.error:
                raise Differs(f"the application was told {errno.errorcode[program.error]}, which no line expects")

    def _hear(self) -> None:
        for told in self.host.told():
            if told.kind == ACCEPTED:
                port = int.from_bytes(told.payload[:2], "big")
                program = self.programs.setdefault(port, Program())
                if not told.value:
                    program.accepted = True
                else:
                    self.programs[port] = program = Program(listener=told.value)
                program.id = told.id
                self.by_id[told.id] = program
            elif told.kind == DATA and told.id in self.by_id:
                self.by_id[told.id].unread += told.payload
            elif told.kind == URGENT and told.id in self.by_id:
                self.by_id[told.id].urgent = told.value
            elif told.kind == END and told.id in self.by_id:
                self.by_id[told.id].ended = True
            elif told.kind == RESET and told.id in self.by_id:
                self.by_id[told.id].error = told.value

    def call(self, connection: Connection, verb: str, words: list[str]) -> None:
        """One call of the application on one connection."""
        self._hear()
        if verb == "listen":
            said = dict(zip(words[::2], map(int, words[1::2]), strict=True))
            backlog = said.pop("backlog", 64)
            options = {_option(name): value for name, value in said.items()}
            self.host.tcp.listen(LISTENER, APP, "", PORT, backlog, options)
        elif verb == "unlisten":
            self.host.tcp.unlisten(LISTENER, self.host.now)
        elif verb == "connect":
            args = (APP, SERVER, connection.our_port, CLIENT, connection.peer_port)
            program = Program(id=self.host.tcp.connect(*args, self.host.now))
            self.programs[connection.peer_port] = self.by_id[program.id] = program
        elif verb == "icmp":
            self._icmp(connection, words)
        elif verb == "counted":
            value = getattr(self.host.tcp.counters, words[0])
            if value != int(words[1]):
                raise Differs(f"{words[0]} is {value}")
        elif verb in {"gone", "state"}:
            self._state(connection, "GONE" if verb == "gone" else words[0])
        else:
            self._program_call(connection, verb, words)

    def _icmp(self, connection: Connection, words: list[str]) -> None:
        """An ICMP error about the segment of ours with this number."""
        said = dict(zip(words[1::2], map(int, words[2::2]), strict=True))
        seq = (connection.our_isn + said.get("seq", int(not connection.active))) & 0xFFFFFFFF
        if words[0] == "too-big":
            self.host.tcp.too_big(connection.key(), seq, said["mtu"], 1500, self.host.now)
        else:
            self.host.tcp.unreachable(connection.key(), _ICMP[words[0]], seq, self.host.now)

    def _state(self, connection: Connection, wanted: str) -> None:
        flow = self.host.tcp.tables.flows.get(connection.key())
        state = "GONE" if flow is None else STATE_NAMES[flow.state]
        if state != wanted:
            raise Differs(f"the state is {state}")

    def _program_call(self, connection: Connection, verb: str, words: list[str]) -> None:
        program = self.programs.get(connection.peer_port)
        if program is None or not program.id:
            raise Differs("the application knows no such connection")
        host = self.host
        if verb == "accept":
            if program.accepted or not program.listener:
                raise Differs("nothing to accept")
            program.accepted = True
            host.say(TAKEN, program.listener, 1)
        elif verb == "connected":
            if not program.accepted:
                raise Differs("it is not connected")
        elif verb == "read":
            self._read(program, words)
        elif verb == "send":
            self._send(program, words)
        elif verb == "end":
            if program.unread or not program.ended:
                raise Differs(f"{len(program.unread)} octets to read, {'an' if program.ended else 'no'} end")
        elif verb == "error":
            name = errno.errorcode.get(program.error, "none")
            if name != words[0]:
                raise Differs(f"the error is {name}")
            program.error = 0
        elif verb == "nodelay":
            host.say(OPTION, program.id, NODELAY, 1)
        elif verb == "option":
            host.say(OPTION, program.id, _option(words[0]), int(words[1]))
        elif verb == "urgent":
            if program.urgent != int(words[0]):
                raise Differs(f"urgent octets end at {program.urgent}")
        else:
            host.say({"shut": SHUT, "close": CLOSE, "abort": ABORT}[verb], program.id)
            if verb != "shut":
                self.by_id.pop(program.id, None)

    def _read(self, program: Program, words: list[str]) -> None:
        if words == ["nothing"]:
            if program.unread:
                raise Differs(f"{len(program.unread)} octets to read")
            return
        data = _text(words[0]) or pattern(program.received, int(words[0]))
        got = bytes(program.unread[: len(data)])
        if got != data:
            raise Differs(f"{len(program.unread)} octets to read" + (", not these" if len(got) == len(data) else ""))
        del program.unread[: len(data)]
        program.received += len(data)
        self.host.say(CONSUMED, program.id, len(data))

    def _send(self, program: Program, words: list[str]) -> None:
        data = _text(words[0]) or pattern(program.sent, int(words[0]))
        flags = {"": 0, "shut": THEN_SHUT, "close": THEN_CLOSE}[words[2] if words[1:] else ""]
        program.sent += len(data)
        while len(data) > 65536:
            self.host.say(SEND, program.id, payload=data[:65536])
            data = data[65536:]
        self.host.say(SEND, program.id, payload=data, flags=flags)


def _text(word: str) -> bytes:
    return word[1:-1].encode() if word.startswith('"') else b""


def _option(name: str) -> int:
    """The number of an option that a script calls `keep-idle-s`, as socket_options has it."""
    number: int = getattr(socket_options, name.upper().replace("-", "_"))
    return number
