"""One client of the bridge: its requests in, answers out, and a stack of its own from its HELLO to its end.

A machine without sockets: octets and the time go in, `output` and `deadline` come out. Requests that must wait are
asked again after every turn of the stack, so answers come out of order. Nothing that a client sends grows without end.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from neatctl.core.native import now_us
from neatctl.testbed.bridge.addresses import failed
from neatctl.testbed.bridge.hello import BadHello, options_of, text_of
from neatctl.testbed.bridge.one_thread import BridgeOptions, Machine
from neatctl.testbed.bridge.requests import (
    MAGIC,
    VERSION,
    BadRequest,
    BadStream,
    Fields,
    Framer,
    Op,
    Request,
    answer,
    packet_body,
)
from neatctl.testbed.bridge.system_calls import Call, Calls, Result

MAX_WAITING = 1024
"""Requests of a client that may wait at once; another one that would wait fails with ENOBUFS."""
MAX_UNSENT = 1 << 20
"""Octets of answers that the client has not read; no request is worked on before there are fewer."""


@dataclass(slots=True)
class Waiting:
    """A request that has no answer yet."""

    number: int
    call: Call
    limit_us: int


class Session:
    """A client and its stack."""

    def __init__(self, run: str, defaults: BridgeOptions) -> None:
        self.output = bytearray()
        self.ended = False
        """The client broke the protocol: what is in `output` is the last."""
        self._run = run
        self._defaults = defaults
        self._framer = Framer()
        self._todo: list[Request] = []
        self._machine: Machine | None = None
        self._calls: Calls | None = None
        self._waiting: list[Waiting] = []
        self._realtime_us = time.time_ns() // 1000 - now_us()

    # ---- in ----
    def receive(self, octets: bytes) -> None:
        """Octets of the client."""
        try:
            self._todo += self._framer.feed(octets)
        except BadStream as error:
            self._refuse(0, errno.EPROTO, str(error))
            self.ended = True
        self.work()

    def work(self) -> None:
        """Do what is asked for as far as the client takes the answers."""
        done = 0
        while done < len(self._todo) and len(self.output) < MAX_UNSENT and not self.ended:
            self._obey(self._todo[done])
            done += 1
        del self._todo[:done]

    @property
    def hungry(self) -> bool:
        """Whether more octets of the client are wanted."""
        return not self.ended and not self._todo and len(self.output) < MAX_UNSENT

    def turn(self) -> None:
        """Time has passed: let the stack have it, and answer what need not wait any longer."""
        if self._machine is not None:
            self._machine.settle()
            self._answer_waiting()

    def deadline(self) -> int:
        """When `turn` must be called at the latest, in us of the monotonic clock; -1 for never."""
        if self._machine is None:
            return -1
        due = [waiting.limit_us for waiting in self._waiting if waiting.limit_us >= 0]
        return min([*due, self._machine.deadline()])

    def close(self) -> None:
        """The client is gone: its stack goes, too."""
        self._waiting.clear()
        if self._machine is not None:
            self._machine.close()
            self._machine = None

    # ---- requests ----
    def _obey(self, request: Request) -> None:
        if self._machine is None:
            self._hello(request)
            return
        self._machine.settle()  # Time passed since the last turn; whatever it caused comes before this call.
        self._answer_waiting()
        try:
            call = self._begin(request)
            if call is not None:
                self._try(Waiting(request.number, call, -1), first=True)
        except BadRequest as error:
            self._refuse(request.number, errno.EPROTO, str(error))
        except OSError as error:
            self._fail(request.number, error)
        self._machine.settle()
        self._answer_waiting()

    def _hello(self, request: Request) -> None:
        """The first message: magic, version, what the client wants of its stack."""
        if request.op != Op.HELLO or request.body[:4] != MAGIC:
            self._refuse(request.number, errno.EPROTO, "the first message is HELLO, and begins with NEAT")
            self.ended = True
            return
        if int.from_bytes(request.body[4:6], "big") != VERSION:
            self._refuse(request.number, errno.EPROTONOSUPPORT, f"this is version {VERSION} of the protocol")
            self.ended = True
            return
        try:
            options = options_of(request.body[6:].decode("ascii"), self._defaults)
        except (BadHello, UnicodeDecodeError) as error:
            self._refuse(request.number, errno.EINVAL, str(error))
            return
        self._machine = Machine(self._run, options)
        self._calls = Calls(self._machine)
        self.output += answer(request.number, VERSION, 0, text_of(options).encode())

    def _begin(self, request: Request) -> Call | None:
        """The call of a request; None if it is answered already."""
        assert self._machine is not None
        assert self._calls is not None
        fields = Fields(request.body)
        if request.op == Op.INJECT:
            packet = fields.rest()
            if not self._machine.inject(packet):
                raise failed(errno.EMSGSIZE)
            self._machine.settle()
            self.output += answer(request.number, len(packet))
            return None
        if request.op == Op.READ_PACKET:
            timeout_us = fields.i64()
            fields.end()
            return Call(self._read_packet, timeout_us)
        if request.op == Op.CLOCK:
            now = now_us()
            self.output += answer(request.number, 0, 0, packet_body(now, now + self._realtime_us, 0, b""))
            return None
        if request.op == Op.CANCEL:
            number = fields.u32()
            fields.end()
            self.output += answer(request.number, self._cancel(lambda waiting: waiting.number == number, errno.EINTR))
            return None
        if request.op == Op.CLOSE:
            fd = Fields(request.body).i32()
            self._cancel(lambda waiting: waiting.call.fd == fd, errno.EBADF)
        return self._calls.begin(request.op, fields)

    def _read_packet(self) -> Result | None:
        machine = self._machine
        assert machine is not None
        if not machine.packets:
            return None
        sent_us, packet = machine.packets.popleft()
        lost, machine.lost = machine.lost, 0
        return Result(len(packet), packet_body(sent_us, sent_us + self._realtime_us, lost, packet))

    def _cancel(self, which: Callable[[Waiting], bool], error: int) -> int:
        """End waiting requests with an errno; how many."""
        ended = [waiting for waiting in self._waiting if which(waiting)]
        for waiting in ended:
            self._waiting.remove(waiting)
            self._fail(waiting.number, failed(error))
        return len(ended)

    # ---- answers ----
    def _answer_waiting(self) -> None:
        """Ask all that wait, the oldest first."""
        now = now_us()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            self._try(each, now=now)
        assert self._machine is not None
        if waiting:
            self._machine.settle()

    def _try(self, each: Waiting, first: bool = False, now: int = 0) -> None:
        """Ask once: answer, or wait on."""
        call = each.call
        try:
            result = call.attempt()
            if result is None and first:
                if call.timeout_us == 0:
                    result = self._expired(call)
                elif len(self._waiting) >= MAX_WAITING:
                    raise failed(errno.ENOBUFS)
                else:
                    each.limit_us = now_us() + call.timeout_us if call.timeout_us > 0 else -1
            elif result is None and 0 <= each.limit_us <= now:
                result = self._expired(call)
        except OSError as error:
            self._fail(each.number, error)
            return
        if result is None:
            self._waiting.append(each)
        else:
            self.output += answer(each.number, result.value, 0, result.body)

    def _expired(self, call: Call) -> Result:
        if call.expired is None:
            raise failed(errno.EAGAIN)
        return call.expired()

    def _fail(self, number: int, error: OSError) -> None:
        """The errno of a call; a library error without one is a time-out."""
        self.output += answer(number, -1, error.errno or errno.ETIMEDOUT)

    def _refuse(self, number: int, error: int, why: str) -> None:
        """An errno, and a sentence for whoever writes a client."""
        self.output += answer(number, -1, error, f"{why} ({os.strerror(error)})".encode())
