"""The other ends of a TcpLayer, as little as they can be: clients that ask and an application that answers.

Written as the packet path is, with tcp_drive.pxd beside it, so that bench/tcp.py can compile it and measures
TCP rather than its driver. Numbers of a connection lie in one Memory, 16 octets each: SND.NXT, RCV.NXT.
"""

from __future__ import annotations

from neatctl.core.channel.face import Consumer, Producer
from neatctl.core.channel.records import ACCEPTED, CONSUMED, DATA, SEND, TAKEN, THEN_CLOSE
from neatctl.core.native import Memory
from neatctl.core.tcp.layer import TcpLayer

_ACCEPTED, _CONSUMED, _DATA, _SEND, _TAKEN, _THEN_CLOSE = ACCEPTED, CONSUMED, DATA, SEND, TAKEN, THEN_CLOSE
_TCP_AT = 50
_ACK, _PSH_ACK, _SYN, _FIN_ACK = 16, 24, 2, 17
_HEADER = 32
_MASK = 0xFFFFFFFF
_BURST = 32
_ALIGNED = 0x0101080A
_SYN_OPTIONS = 0x0402080A
_ISN = 1000


class Drive:
    """Clients of 10.77.0.1, ports from 10,000 on, and the one application behind a listener."""

    def __init__(
        self, layer: TcpLayer, nic_producer: Producer, nic: Consumer, app: Consumer, request: int, response: int
    ) -> None:
        self._layer = layer
        self._nic = nic
        self._nic_producer = nic_producer
        self._app = app
        self._request = request
        self._response = response
        self._states = Memory(bytearray(16 * 65536))
        self._frame = Memory(bytearray(2048))
        self._record = Memory(bytearray(16 + 65536))
        self.now = 1_000_000_000_000
        self.answers = 0
        self.closing = False

    def open(self, first: int, count: int) -> None:
        """Shake hands on connections `first` and on."""
        for i in range(first, first + count):
            self._states.put32(16 * i, _ISN)
            self._states.put32(16 * i + 4, 0)
            self._arrive(i, _SYN, 0)
            self._states.put32(16 * i, _ISN + 1)
        self._finish()
        for i in range(first, first + count):
            self._arrive(i, _ACK, 0)
        self._finish()

    def ask(self, first: int, count: int) -> None:
        """One request on each connection, in bursts, and the answers to it."""
        done = 0
        while done < count:
            burst = min(_BURST, count - done)
            for i in range(first + done, first + done + burst):
                self._arrive(i, _PSH_ACK, self._request)
            self._finish()
            done += burst

    def acknowledge(self, first: int, count: int, flags: int) -> None:
        """A segment without octets on each connection."""
        for i in range(first, first + count):
            self._arrive(i, flags, 0)
        self._finish()

    def rest(self, us: int) -> None:
        """Let time pass, so that timestamps of the next connections are later."""
        self.now += us
        self._finish()

    def _arrive(self, i: int, flags: int, octets: int) -> None:
        """Write a segment of connection `i` as a NIC queue has it, and hand it over as IP does."""
        frame = self._frame
        states = self._states
        seq = states.get32(16 * i)
        frame.put32(26 + 16, 0x0A4D0001)
        frame.put32(30 + 16, 0x0A4D0002)
        frame.put32(_TCP_AT, (10_000 + i) << 16 | 80)
        frame.put32(_TCP_AT + 4, seq)
        frame.put32(_TCP_AT + 8, states.get32(16 * i + 4))
        frame.put32(_TCP_AT + 12, 0x8000FFFF | flags << 16)
        frame.put32(_TCP_AT + 20, _SYN_OPTIONS if flags == _SYN else _ALIGNED)
        frame.put32(_TCP_AT + 24, self.now // 1000)
        frame.put32(_TCP_AT + 28, 0)
        states.put32(16 * i, seq + octets + (flags & 1))
        key = frame.bytes(_TCP_AT - 8, 12)
        self._layer.arrive(frame, _TCP_AT, _HEADER + octets, key, True, self.now)

    def _finish(self) -> None:
        """The turn ends, the application answers, the next turn ends."""
        layer = self._layer
        self.now += 100
        layer.expire(self.now)
        layer.transmit(self.now)
        self._answer()
        layer.transmit(self.now)
        self._take_segments()

    def _answer(self) -> None:
        app = self._app
        record = self._record
        while app.peek() >= 0:
            at = app.at
            kind = app.memory.get8(at)
            if kind == _ACCEPTED:
                record.put32(0, _TAKEN << 24)
                record.put32(4, app.memory.get32(at + 8))
                record.put32(8, 1)
                self._layer.command(1, record, 0, 16, self.now)
            elif kind == _DATA:
                record.put32(0, _SEND << 24 | (_THEN_CLOSE << 16 if self.closing else 0))
                record.put32(4, app.memory.get32(at + 4))
                record.put32(8, 0)
                self._layer.command(1, record, 0, 16 + self._response, self.now)
                self.answers += 1
                if not self.closing:
                    self._consume(record)
            app.release()
        app.flush()

    def _consume(self, record: Memory) -> None:
        """The application read what it was given: the window opens."""
        record.put32(0, _CONSUMED << 24)
        record.put32(8, self._request)
        self._layer.command(1, record, 0, 16, self.now)

    def _take_segments(self) -> None:
        """Note what the clients have got."""
        nic = self._nic
        self._nic_producer.flush()
        states = self._states
        while True:
            octets = nic.peek()
            if octets < 0:
                break
            memory = nic.memory
            at = nic.at + _TCP_AT
            i = memory.get16(at + 2) - 10_000
            word = memory.get32(at + 12)
            length = octets - _TCP_AT - ((word >> 28) << 2) + (word >> 16 & 1) + (word >> 17 & 1)
            if length:
                states.put32(16 * i + 4, memory.get32(at + 4) + length)
            nic.release()
        nic.flush()
