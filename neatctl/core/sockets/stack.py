"""The application's side of the whole stack: one instance a process.

Owns the link to every replica, the doorbell that they ring, the conversation with the SYSCALL server and
the one place where this process sleeps. Sockets and polls call it; data goes between it and the
replicas alone (paper section 3.2: no server on the fast path). Not safe for several threads.
"""

from __future__ import annotations

import errno
import os
import select
from typing import TYPE_CHECKING

import msgspec

from neatctl.core.channel import endpoint
from neatctl.core.channel.doorbell import Doorbell
from neatctl.core.channel.face import Consumer, PeerFault
from neatctl.core.control import messages
from neatctl.core.native import Epoll, now_us, yield_cpu
from neatctl.core.sockets.control import Control
from neatctl.core.sockets.flow import Flow, Listener, failure
from neatctl.core.sockets.link import Link, Listeners
from neatctl.core.sockets.readiness import Watched
from neatctl.core.spin import DEFAULT_SPIN, Spin

if TYPE_CHECKING:
    from neatctl.core.sockets.datagram import DatagramSocket
    from neatctl.core.sockets.mailbox import Mailbox
    from neatctl.core.sockets.stream import Socket

_SERVICE_US = 2_000
"""How long a busy program may go without a look at descriptors and the SYSCALL server."""
_ANSWER_US = 1_000_000
"""How long a replica may take to answer TCP_INFO."""


class Stack:
    """A connection to a running stack; made by `connect_to`, ended by `close` (or a `with` block)."""

    def __init__(self, run_directory: str, name: str, transport: str, channel: str, spin: int = DEFAULT_SPIN) -> None:
        self.spin = Spin(spin)
        self.faults = 0
        """Links that were given up because the replica broke the rules of a ring."""
        self.sleeps = 0
        self.service_at = 0
        """When descriptors and the SYSCALL server are to be looked at again."""
        self.links: list[Link] = []
        self.listeners = Listeners()
        self.epoll = Epoll()
        """Readable when a sleeping process must wake: doorbell, SYSCALL server, channels with descriptors."""
        self._channel = channel
        self._given_up: set[tuple[int, int]] = set()
        self._turning: Link | None = None
        path = os.path.join(run_directory, "bells", f"app.{os.getpid()}.{os.urandom(4).hex()}")
        self._doorbell = Doorbell(path)
        self._control = Control(run_directory, transport, name, path)
        self._control.on_links = self._take_links
        self._control.on_forgotten = self._listen_again
        self._control.on_stray = self._unwanted
        self._due_us = 0
        self._called = True
        """The SYSCALL server may have something to say."""
        self._linked = False
        self._bound: dict[int, messages.Listen] = {}
        self.epoll.register(self._doorbell.fd, select.EPOLLIN | select.EPOLLET)
        self._doorbell_fd = self._doorbell.fd
        self._control_fd = self._control.fd
        self.epoll.register(self._control_fd, select.EPOLLIN)

    @classmethod
    def connect_to(
        cls, run_directory: str, name: str, transport: str = "ipc", channel: str = "", timeout_s: float = 5.0
    ) -> Stack:
        """The stack that runs in this run directory; `name` is what `status` calls this program.

        `channel` is the kind of the data channels; "" takes what the server says.

        OSError if the SYSCALL server refuses, TimeoutError if none answers, FileNotFoundError if there is no such run
        directory.
        """
        stack = cls(run_directory, name, transport, channel)
        stack.await_links(run_directory, now_us() + int(timeout_s * 1e6))
        return stack

    def await_links(self, run_directory: str, limit: int) -> None:
        """Sleep until the SYSCALL server has answered."""
        while not self._linked:
            refusal = self._control.refusal
            if refusal is not None:
                self.close()
                raise OSError(refusal.errno, refusal.message)
            now = now_us()
            if now >= limit:
                self.close()
                raise TimeoutError(errno.ETIMEDOUT, f"no SYSCALL server answers in {run_directory}: is neatctl up?")
            self.sleep(limit - now)

    def socket(self) -> Socket:
        """A new TCP socket."""
        from neatctl.core.sockets.stream import Socket

        return Socket(self)

    def datagram_socket(self) -> DatagramSocket:
        """A new UDP socket."""
        from neatctl.core.sockets.datagram import DatagramSocket

        return DatagramSocket(self)

    # ---- the path of data ----
    def turn(self) -> int:
        """Take what the replicas sent; how many records."""
        try:
            return self._turn()
        except PeerFault:
            self._give_up()
            return 1

    def _turn(self) -> int:
        taken = 0
        for link in self.links:
            self._turning = link
            taken += link.turn()
        if taken:
            self.spin.took(taken)
        return taken

    def flush(self) -> None:
        """Let the replicas see all that was sent since the last flush; wake those that sleep."""
        for link in self.links:
            link.flush()

    def wait(self, watched: Watched, events: int, limit: int) -> bool:
        """Wait until one of the events holds; False at `limit` (us of the monotonic clock, -1 for never)."""
        idle = 0
        self.flush()
        while True:
            taken = self.turn()
            now = now_us()
            if now >= self.service_at:
                self.service(now)
            if watched.readiness() & events:
                return True
            if 0 <= limit <= now:
                return False
            idle = 0 if taken else idle + 1
            if self.spin.again(idle):
                yield_cpu()
            else:
                idle = 0
                self.sleep(limit - now if limit >= 0 else -1)

    def sleep(self, timeout_us: int, system: select.epoll | None = None) -> list[tuple[int, int]]:
        """Wait for a doorbell, the SYSCALL server or what else `system` holds (this stack's epoll among it); what that
        says. -1 waits for ever."""
        now = now_us()
        if (now >= self.service_at or 0 <= self._due_us <= now) and self.service(now):
            return []  # What the server said may have made something ready.
        self.flush()
        due = self._due_us
        if due >= 0 and (timeout_us < 0 or due - now < timeout_us):
            timeout_us = max(due - now, 0)
        armed = True
        for link in self.links:
            armed = armed and link.arm()
        found: list[tuple[int, int]] = []
        if armed:
            self.sleeps += 1
            if system is not None:
                found = system.poll(timeout_us / 1e6 if timeout_us >= 0 else -1)
                timeout_us = 0
            self._look(timeout_us)
        for link in self.links:
            link.disarm()
        if self._called or system is not None:
            self.service(now_us())
        return found

    def service(self, now: int) -> int:
        """Look at the descriptors, and hear the SYSCALL server if there is a reason; how many messages it had."""
        self.service_at = now + _SERVICE_US
        if not self._called:
            self._look(0)
        if not self._called and (self._due_us < 0 or now < self._due_us):
            return 0
        self._called = False
        self._control.expire(now)
        taken = self._control.receive(now)
        self._due_us = self._control.deadline()
        return taken

    def _hear_soon(self) -> None:
        """Something was sent: ZeroMQ tells of input by edges, and sending may have taken one."""
        self._called = True
        self.service_at = 0

    def _look(self, timeout_us: int) -> None:
        """Wait for the descriptors."""
        epoll = self.epoll
        for i in range(epoll.wait(timeout_us)):
            fd = epoll.ready(i)
            if fd == self._doorbell_fd:
                self._doorbell.clear()
            elif fd == self._control_fd:
                self._called = True

    # ---- links ----
    def _take_links(self, wanted: list[messages.Link]) -> None:
        self._linked = self._control.app != 0
        keys = {(link.replica, link.generation): link for link in wanted}
        self._given_up &= set(keys)
        for link in list(self.links):
            key = (link.replica, link.generation)
            if key in keys:
                link.accepting = keys[key].accepting
                del keys[key]
            else:
                self._close_link(link)
        for key, new in keys.items():
            if key not in self._given_up:
                self._open_link(new)

    def _open_link(self, new: messages.Link) -> None:
        kind = self._channel or self._control.channel
        try:
            consumer = endpoint.open_consumer(kind, new.to_app, new.generation, new.doorbell)
        except (OSError, PeerFault):
            return  # The replica is dead already; the next Links says so.
        try:
            producer = endpoint.open_producer(kind, new.to_replica, new.generation, new.doorbell)
        except (OSError, PeerFault):
            consumer.close()
            return
        link = Link(new.replica, new.generation, producer, consumer, self.listeners)
        link.accepting = new.accepting
        self.links.append(link)
        if consumer.fileno() >= 0:
            self.epoll.register(consumer.fileno(), select.EPOLLIN)

    def _close_link(self, link: Link) -> None:
        self.links.remove(link)
        consumer: Consumer = link.consumer
        if consumer.fileno() >= 0:
            self.epoll.unregister(consumer.fileno())
        link.close(errno.ECONNRESET)

    def _give_up(self) -> None:
        """The replica whose records were being taken broke the rules: its link is closed until it is reborn."""
        link = self._turning
        assert link is not None
        self.faults += 1
        self._given_up.add((link.replica, link.generation))
        self._close_link(link)

    # ---- listening sockets ----
    def listen(
        self, address: str, port: int, backlog: int, reuse_port: bool, options: dict[int, int]
    ) -> tuple[Listener, str, int]:
        """Listen in every replica: the listener, its address and port. Waits for the server; OSError as listen(2)."""
        answer = self._ask_to_listen(messages.Listen(0, address, port, backlog, reuse_port, dict(options)))
        return self._adopt(answer.listener), answer.address, answer.port

    def bind(self, mailbox: Mailbox, address: str, port: int, reuse_port: bool) -> tuple[str, int]:
        """Bind a UDP socket in every replica: its address and port. Waits for the server; OSError as bind(2)."""
        answer = self._ask_to_listen(messages.Listen(0, address, port, 1, reuse_port, {}, True))
        mailbox.ident = answer.listener
        self.listeners.mailboxes[mailbox.ident] = mailbox
        return address, answer.port

    def unbind(self, mailbox: Mailbox) -> None:
        """Close a UDP socket in every replica."""
        mailbox.forget_entries()
        self.listeners.mailboxes.pop(mailbox.ident, None)
        self._bound.pop(mailbox.ident, None)
        self._close_at_server(mailbox.ident)

    def _ask_to_listen(self, wanted: messages.Listen) -> messages.Listening:
        """The SYSCALL server's answer; OSError if it refuses."""
        number = self._control.next_request()
        answers: list[messages.Listening | messages.Done | messages.Refused] = []

        def answered(answer: messages.Listening | messages.Done | messages.Refused) -> None:
            answers.append(answer)
            if isinstance(answer, messages.Listening):
                # At once: the same answer may come twice in a row, and the second must not look like a stray one.
                self._bound[answer.listener] = msgspec.structs.replace(wanted, port=answer.port)

        self.listeners.awaited += 1
        self._control.request(number, msgspec.structs.replace(wanted, request=number), answered, now_us())
        self._hear_soon()
        try:
            while not answers:
                self.turn()
                self.sleep(-1)
        finally:
            self.listeners.awaited -= 1
            self._control.forget(number)
        answer = answers[0]
        if isinstance(answer, messages.Refused):
            raise OSError(answer.errno, answer.message)
        if not isinstance(answer, messages.Listening):
            raise failure(errno.EPROTO)
        return answer

    def _adopt(self, ident: int) -> Listener:
        """The listener of this number, which may have connections already."""
        listener = self.listeners.known.get(ident)
        if listener is None:
            listener = Listener(ident)
            self.listeners.known[ident] = listener
        self.listeners.highest = max(self.listeners.highest, ident)
        return listener

    def unlisten(self, listener: Listener) -> None:
        """Close a listening socket in every replica; connections that nobody accepted are reset."""
        listener.closed = True
        listener.forget_entries()
        self.listeners.known.pop(listener.ident, None)
        self._bound.pop(listener.ident, None)
        for link in self.links:
            link.drop_listener(listener.ident)
        self.flush()
        self._close_at_server(listener.ident)

    def tune(self, listener: Listener, options: dict[int, int]) -> None:
        """Connections that a listening socket accepts from now on begin with these options."""
        bound = self._bound.get(listener.ident)
        if bound is not None:
            self._bound[listener.ident] = msgspec.structs.replace(bound, options=dict(options))
        number = self._control.next_request()
        self._control.request(number, messages.Tune(number, listener.ident, dict(options)), lambda _: None, now_us())
        self._hear_soon()

    def ask(self, flow: Flow, timeout_us: int = _ANSWER_US) -> bytes:
        """What TCP_INFO tells, from the replica; b"" if the connection is gone or no answer comes in time."""
        limit = now_us() + timeout_us
        if not self.named(flow, timeout_us):
            return b""
        flow.query()
        while flow.info is None and not flow.failed:
            self.flush()
            self.turn()
            now = now_us()
            if now >= limit:
                break
            if flow.info is None:
                self.sleep(limit - now)
        return flow.info or b""

    def named(self, flow: Flow, timeout_us: int = _ANSWER_US) -> bool:
        """Wait until a connection that opens has its id and local end; False if it failed, or no answer comes."""
        limit = now_us() + timeout_us
        while flow.ident == 0 and not flow.failed:
            self.flush()
            self.turn()
            now = now_us()
            if now >= limit:
                break
            if flow.ident == 0:
                self.sleep(limit - now)
        return flow.ident != 0

    def _close_at_server(self, ident: int) -> None:
        number = self._control.next_request()
        self._control.request(number, messages.Unlisten(number, ident), lambda _: None, now_us())
        self._hear_soon()

    def _unwanted(self, answer: messages.Listening) -> None:
        """Nobody waits for this answer: it came twice, or the call was interrupted."""
        if answer.listener not in self._bound:
            self._close_at_server(answer.listener)

    def _listen_again(self) -> None:
        """The SYSCALL server lost its memory: tell it what we listen to."""
        for ident, bound in list(self._bound.items()):
            number = self._control.next_request()
            message = msgspec.structs.replace(bound, request=number)

            def answered(answer: messages.Listening | messages.Done | messages.Refused, ident: int = ident) -> None:
                self._renumber(ident, answer)

            self.listeners.awaited += 1
            self._control.request(number, message, answered, now_us())

    def _renumber(self, ident: int, answer: messages.Listening | messages.Done | messages.Refused) -> None:
        self.listeners.awaited -= 1
        listener = self.listeners.known.get(ident)
        bound = self._bound.pop(ident, None)
        mailbox = self.listeners.mailboxes.pop(ident, None)
        if mailbox is not None and bound is not None and isinstance(answer, messages.Listening):
            mailbox.ident = answer.listener
            self.listeners.mailboxes[answer.listener] = mailbox
            self._bound[answer.listener] = bound
        if not isinstance(answer, messages.Listening) or listener is None or bound is None:
            return
        early = self.listeners.known.pop(answer.listener, None)
        if early is not None:
            listener.subsockets += early.subsockets
        del self.listeners.known[ident]
        listener.ident = answer.listener
        self.listeners.known[answer.listener] = listener
        self.listeners.highest = max(self.listeners.highest, answer.listener)
        self._bound[answer.listener] = bound
        listener.wake()

    # ---- its end ----
    def close(self) -> None:
        """Leave the stack: connections that are still open are reset, listening sockets go."""
        for link in self.links:
            for flow in list(link.outlet.flows.values()):
                flow.close(True)
        self.flush()
        for link in list(self.links):
            self._close_link(link)
        self._control.close()
        self.epoll.close()
        self._doorbell.close()

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
