"""The system calls of the bridge: a request's fields in, a result or an errno out, and what to wait for in between.

Each call is a function of the request's fields that returns an `Attempt`: asked now and after every turn of the stack
until it has a `Result`. Errors are OSError; the errno is the answer. The library executes the calls.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from neatctl.core.sockets import DatagramSocket, Socket
from neatctl.core.tcp.tcb import Tcb
from neatctl.testbed.bridge import options
from neatctl.testbed.bridge.addresses import any_of, failed, pack_address, unpack_address
from neatctl.testbed.bridge.descriptors import Descriptor, Descriptors
from neatctl.testbed.bridge.one_thread import Machine
from neatctl.testbed.bridge.requests import MAX_MESSAGE, Fields, Op

MAX_POLLED = 4096
MAX_READ = MAX_MESSAGE // 2
_POLLFD = struct.Struct("=ihh")
_INT = struct.Struct("=i")
_DONTWAIT, _NOSIGNAL, _WAITALL = socket.MSG_DONTWAIT, socket.MSG_NOSIGNAL, socket.MSG_WAITALL
_GETFD, _SETFD, _GETFL, _SETFL = 1, 2, 3, 4
_RDWR, _NONBLOCK = 2, 0o4000
_FIONREAD, _TIOCOUTQ, _FIONBIO, _SIOCOUTQNSD = 0x541B, 0x5411, 0x5421, 0x894B


@dataclass(slots=True)
class Result:
    """What a call gives back; failures are OSError."""

    value: int = 0
    body: bytes = b""


Attempt = Callable[[], Result | None]
"""Tries; None: not yet."""


@dataclass(slots=True)
class Call:
    """A call under way."""

    attempt: Attempt
    timeout_us: int = -1
    """How long it may wait; 0 not at all, -1 for ever."""
    expired: Callable[[], Result] | None = None
    """What it gives when the time is over; EAGAIN without."""
    fd: int = -1


class Calls:
    """The calls of one client on its stack."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        families = (socket.AF_INET, socket.AF_INET6) if machine.options.address6 else (socket.AF_INET,)
        self.descriptors = Descriptors(machine.stack, families)
        self._by_op: dict[int, Callable[[Fields], Call]] = {
            Op.SOCKET: self._socket,
            Op.BIND: self._bind,
            Op.LISTEN: self._listen,
            Op.ACCEPT: self._accept,
            Op.CONNECT: self._connect,
            Op.RECV: self._recv,
            Op.RECVFROM: self._recvfrom,
            Op.SEND: self._send,
            Op.SENDTO: self._sendto,
            Op.CLOSE: self._close,
            Op.SHUTDOWN: self._shutdown,
            Op.GETSOCKOPT: self._getsockopt,
            Op.SETSOCKOPT: self._setsockopt,
            Op.FCNTL: self._fcntl,
            Op.IOCTL: self._ioctl,
            Op.POLL: self._poll,
            Op.GETSOCKNAME: self._getsockname,
            Op.GETPEERNAME: self._getpeername,
        }

    def begin(self, op: int, fields: Fields) -> Call:
        """The call of a request. BadRequest if its fields are wrong, OSError if it fails before it begins."""
        begin = self._by_op.get(op)
        if begin is None:
            raise failed(errno.ENOSYS)
        return begin(fields)

    def _with(self, fields: Fields) -> tuple[int, Descriptor]:
        fd = fields.i32()
        return fd, self.descriptors[fd]

    # ---- their making ----
    def _socket(self, fields: Fields) -> Call:
        domain, kind, protocol = fields.i32(), fields.i32(), fields.i32()
        fields.end()
        return Call(lambda: Result(self.descriptors.socket(domain, kind, protocol)))

    def _bind(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        host, port = unpack_address(fields.rest(), descriptor.family)
        if host and host not in (self._machine.options.address, self._machine.options.address6):
            raise failed(errno.EADDRNOTAVAIL)
        return self._at_once(fd, lambda: descriptor.sock.bind((host or any_of(descriptor.family), port)))

    def _listen(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        backlog = fields.i32()
        fields.end()
        return self._at_once(fd, lambda: descriptor.stream.listen(backlog))

    def _at_once(self, fd: int, work: Callable[[], object]) -> Call:
        """A call that never waits."""

        def attempt() -> Result:
            work()
            return Result()

        return Call(attempt, fd=fd)

    def _accept(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        flags = fields.i32()
        fields.end()

        def attempt() -> Result | None:
            try:
                new, peer = self.descriptors.accept(fd, flags)
            except BlockingIOError:
                return None
            return Result(new, pack_address(peer))

        return Call(attempt, 0 if descriptor.nonblocking else descriptor.receive_timeout_us or -1, fd=fd)

    def _connect(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        host, port = unpack_address(fields.rest(), descriptor.family)
        datagrams = descriptor.sock
        if isinstance(datagrams, DatagramSocket):
            return self._at_once(fd, lambda: datagrams.connect((host or any_of(descriptor.family), port)))
        sock = descriptor.stream

        def attempt() -> Result | None:
            try:
                sock.connect((host or any_of(descriptor.family), port))
            except BlockingIOError:
                self._machine.settle()
                if sock.flow is not None and sock.flow.failed:
                    sock.connect((host or any_of(descriptor.family), port))  # What is known at once is told at once.
                if descriptor.nonblocking:
                    raise
                return None
            return Result()

        def expired() -> Result:
            raise failed(errno.EINPROGRESS)

        return Call(attempt, descriptor.send_timeout_us or -1, expired, fd)

    # ---- octets ----
    def _recv(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        count, flags = fields.u32(), fields.i32()
        fields.end()
        if isinstance(descriptor.sock, DatagramSocket):
            return self._receive_datagram(fd, descriptor, descriptor.sock, count, flags, False)
        return self._receive(fd, descriptor, count, flags, b"")

    def _recvfrom(self, fields: Fields) -> Call:
        """On a connection there is no address to tell: its length is 0."""
        fd, descriptor = self._with(fields)
        count, flags = fields.u32(), fields.i32()
        fields.end()
        if isinstance(descriptor.sock, DatagramSocket):
            return self._receive_datagram(fd, descriptor, descriptor.sock, count, flags, True)
        return self._receive(fd, descriptor, count, flags, bytes(2))

    def _receive_datagram(
        self, fd: int, descriptor: Descriptor, sock: DatagramSocket, count: int, flags: int, named: bool
    ) -> Call:
        """One datagram, its sender's address before it if it is to be `named`."""
        wait = not (descriptor.nonblocking or flags & _DONTWAIT)
        flags &= ~(_DONTWAIT | _NOSIGNAL)

        def attempt() -> Result | None:
            try:
                octets, sender = sock.recvfrom(min(count, MAX_READ), flags)
            except BlockingIOError:
                return None
            address = pack_address(sender)
            return Result(len(octets), len(address).to_bytes(2, "big") + address + octets if named else octets)

        return Call(attempt, (descriptor.receive_timeout_us or -1) if wait else 0, fd=fd)

    def _receive(self, fd: int, descriptor: Descriptor, count: int, flags: int, before: bytes) -> Call:
        sock = descriptor.stream
        whole = bool(flags & _WAITALL)
        wait = not (descriptor.nonblocking or flags & _DONTWAIT)
        flags &= ~(_DONTWAIT | _NOSIGNAL | _WAITALL)
        count = min(count, MAX_READ)
        got = bytearray()

        def so_far() -> Result:
            if not got:
                raise failed(errno.EAGAIN)
            return Result(len(got), before + bytes(got))

        def attempt() -> Result | None:
            while True:
                try:
                    octets = sock.recv(count - len(got), flags)
                except BlockingIOError:
                    return so_far() if got and not (whole and wait) else None
                except OSError:
                    if got:
                        return so_far()
                    raise
                got.extend(octets)
                if not octets or len(got) == count:
                    return Result(len(got), before + bytes(got))

        return Call(attempt, (descriptor.receive_timeout_us or -1) if wait else 0, so_far, fd)

    def _send(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        flags = fields.i32()
        return self._transmit(fd, descriptor, flags, fields.rest())

    def _sendto(self, fields: Fields) -> Call:
        """On a connection the address does not matter, as on Linux."""
        fd, descriptor = self._with(fields)
        flags = fields.i32()
        address = fields.octets(fields.u16())
        octets = fields.rest()
        if isinstance(descriptor.sock, DatagramSocket) and address:
            host, port = unpack_address(address, descriptor.family)
            to = host or any_of(descriptor.family), port
            return self._send_datagram(fd, descriptor, descriptor.sock, flags, octets, to)
        return self._transmit(fd, descriptor, flags, octets)

    def _send_datagram(
        self,
        fd: int,
        descriptor: Descriptor,
        sock: DatagramSocket,
        flags: int,
        octets: bytes,
        address: tuple[str, int] | None,
    ) -> Call:
        """One datagram to an address, or to the peer."""
        wait = not (descriptor.nonblocking or flags & _DONTWAIT)
        flags &= ~(_DONTWAIT | _NOSIGNAL)

        def attempt() -> Result | None:
            try:
                return Result(sock.sendto(octets, flags, address) if address else sock.send(octets, flags))
            except BlockingIOError:
                return None

        return Call(attempt, (descriptor.send_timeout_us or -1) if wait else 0, fd=fd)

    def _transmit(self, fd: int, descriptor: Descriptor, flags: int, octets: bytes) -> Call:
        if isinstance(descriptor.sock, DatagramSocket):
            return self._send_datagram(fd, descriptor, descriptor.sock, flags, octets, None)
        sock = descriptor.stream
        wait = not (descriptor.nonblocking or flags & _DONTWAIT)
        flags &= ~(_DONTWAIT | _NOSIGNAL)
        sent = 0

        def so_far() -> Result:
            if not sent:
                raise failed(errno.EAGAIN)
            return Result(sent)

        def attempt() -> Result | None:
            nonlocal sent
            while True:
                try:
                    sent += sock.send(octets[sent:] if sent else octets, flags)
                except BlockingIOError:
                    return None if wait or not sent else so_far()
                except OSError:
                    if sent:
                        return so_far()
                    raise
                if sent == len(octets):
                    return Result(sent)

        return Call(attempt, (descriptor.send_timeout_us or -1) if wait else 0, so_far, fd)

    # ---- their end ----
    def _close(self, fields: Fields) -> Call:
        """With SO_LINGER it waits until the peer has acknowledged all, our FIN too, or the time is over."""
        fd, descriptor = self._with(fields)
        fields.end()

        def close() -> Result:
            self.descriptors.close(fd)
            return Result()

        if not descriptor.linger_us or self._tcb(descriptor) is None:
            return Call(close, fd=fd)
        limit_us = descriptor.linger_us
        options.end_lingering(descriptor)
        descriptor.stream.shutdown(socket.SHUT_WR)

        def attempt() -> Result | None:
            tcb = self._tcb(descriptor)
            return close() if tcb is None or 0 <= tcb.fin_seq < tcb.snd_una else None

        return Call(attempt, limit_us, close, fd)

    def _shutdown(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        how = fields.i32()
        fields.end()
        return self._at_once(fd, lambda: descriptor.stream.shutdown(how))

    # ---- options and looks ----
    def _getsockopt(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        level, name, room = fields.i32(), fields.i32(), fields.u32()
        fields.end()
        return Call(lambda: Result(0, options.get(descriptor, level, name, room)), fd=fd)

    def _setsockopt(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        level, name = fields.i32(), fields.i32()
        value = fields.rest()
        return self._at_once(fd, lambda: options.put(descriptor, level, name, value))

    def _fcntl(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        command, argument = fields.i32(), fields.i64()
        fields.end()

        def attempt() -> Result:
            if command == _GETFL:
                return Result(_RDWR | (_NONBLOCK if descriptor.nonblocking else 0))
            if command == _SETFL:
                descriptor.nonblocking = bool(argument & _NONBLOCK)
            elif command not in (_GETFD, _SETFD):
                raise failed(errno.EINVAL)
            return Result()

        return Call(attempt, fd=fd)

    def _ioctl(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        command, value = fields.u32(), fields.rest()

        def attempt() -> Result:
            if command == _FIONBIO:
                if len(value) < _INT.size:
                    raise failed(errno.EFAULT)
                descriptor.nonblocking = any(value[: _INT.size])
                return Result()
            if command not in (_FIONREAD, _TIOCOUTQ, _SIOCOUTQNSD):
                raise failed(errno.ENOTTY)
            if isinstance(descriptor.sock, Socket) and descriptor.sock.listener is not None:
                raise failed(errno.EINVAL)
            return Result(0, _INT.pack(self._queued(descriptor, command)))

        return Call(attempt, fd=fd)

    def _queued(self, descriptor: Descriptor, command: int) -> int:
        """Octets that wait on one side of a connection (tcp(7): SIOCINQ, SIOCOUTQ, SIOCOUTQNSD), or in the next
        datagram (udp(7))."""
        if isinstance(descriptor.sock, DatagramSocket):
            mailbox = descriptor.sock.mailbox
            return len(mailbox.datagrams[0][1]) if command == _FIONREAD and mailbox and mailbox.datagrams else 0
        flow = descriptor.sock.flow
        if flow is not None and command == _FIONREAD:
            return int(flow.unread)
        tcb = self._tcb(descriptor)
        if tcb is None:
            return 0
        first = tcb.snd_una if command == _TIOCOUTQ else tcb.snd_nxt
        return int(max(tcb.data_end() - max(first, tcb.iss + 1), 0))

    def _tcb(self, descriptor: Descriptor) -> Tcb | None:
        """The connection in the replica, if there is one still."""
        flow = descriptor.sock.flow if isinstance(descriptor.sock, Socket) else None
        if flow is None:
            return None
        tcb = self._machine.replica.stack.tcp.tables.flows.get(flow.key[4:] + flow.key[:4])
        return tcb if isinstance(tcb, Tcb) else None

    def _poll(self, fields: Fields) -> Call:
        timeout_ms, octets = fields.i32(), fields.rest()
        if len(octets) % _POLLFD.size or len(octets) > MAX_POLLED * _POLLFD.size:
            raise failed(errno.EINVAL)
        wanted = [(fd, events & 0xFFFF) for fd, events, _ in _POLLFD.iter_unpack(octets)]

        def look() -> Result:
            found = self.descriptors.poll(wanted)
            body = b"".join(
                struct.pack("=iHH", fd, events, got) for (fd, events), got in zip(wanted, found, strict=True)
            )
            return Result(sum(got != 0 for got in found), body)

        def attempt() -> Result | None:
            result = look()
            return result if result.value else None

        return Call(attempt, timeout_ms * 1000 if timeout_ms >= 0 else -1, look)

    def _getsockname(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        fields.end()

        def attempt() -> Result:
            host, port = descriptor.sock.getsockname()
            unbound = host == any_of(socket.AF_INET)
            return Result(0, pack_address((any_of(descriptor.family) if unbound else host, port)))

        return Call(attempt, fd=fd)

    def _getpeername(self, fields: Fields) -> Call:
        fd, descriptor = self._with(fields)
        fields.end()
        return Call(lambda: Result(0, pack_address(descriptor.sock.getpeername())), fd=fd)
