"""The loop of the ceiling: frames from a TAP are answered out of two prepared frames, without any connection state.

This is no stack. A SYN is answered with one fixed number, a request with what stands in its own acknowledgement field,
and nothing is ever sent again, checked, reordered or slowed down: only a well-behaved client that loses nothing is
served. It shows what the device and the client allow on this machine. Knows frames (RFC 894, 791, 9293) and the TAP's
virtio_net_hdr; neither where they come from nor what they are measured for.
"""

from __future__ import annotations

from neatctl.core.native import Epoll, Memory, yield_cpu
from neatctl.core.spin import Spin

MSS = 1460
MAX_CONTENT = 32_000
"""Octets: with its head an answer then fits into the first window of a client, and into one super-frame."""
BURST = 64
"""Frames a turn."""

_VNET = 10
_ROOM = 65_600
_IP = _VNET + 14
_TCP = _IP + 20
_DATA = _TCP + 20
_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
_NEEDS_CSUM, _GSO_TCPV4 = 1, 1
_MASK32 = 0xFFFFFFFF
_ISS = 1000
_DATA_OFFSET = 5 << 12
_SYN_DATA_OFFSET = 6 << 12
_MSS_OPTION = (2 << 24) | (4 << 16)
_END_OF_HEAD = 0x0D0A0D0A
_LATER_FRAGMENT = 0x1FFF
_CLOSE = b"onnection: close\r\n"
_CLOSE_OCTETS = len(_CLOSE)
_MSS = MSS
_BURST = BURST


def head(content: bytes, close: bool) -> bytes:
    """The head of the one answer."""
    connection = "Connection: close\r\n" if close else ""
    return (
        "HTTP/1.1 200 OK\r\nServer: neatctl-limit\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {len(content)}\r\n{connection}\r\n"
    ).encode("ascii")


def _frame(mac: bytes, local: bytes, client: bytes, data: bytes, last: bool) -> Memory:
    """A frame in which only the client's MAC and port, numbers and checksums are open; room for an option of 4."""
    frame = Memory(bytearray(_DATA + 4 + len(data)))
    frame.put8(0, _NEEDS_CSUM)
    frame.put16h(6, _TCP - _VNET)
    frame.put16h(8, 16)
    if len(data) > MSS:
        frame.put8(1, _GSO_TCPV4)
        frame.put16h(2, _DATA - _VNET)
        frame.put16h(4, MSS)
    frame.put(_VNET + 6, mac)
    frame.put16(_VNET + 12, 0x0800)
    frame.put8(_IP, 0x45)
    frame.put16(_IP + 6, 0x4000)
    frame.put8(_IP + 8, 64)
    frame.put8(_IP + 9, 6)
    frame.put(_IP + 12, local)
    frame.put(_IP + 16, client)
    frame.put16(_TCP + 12, _DATA_OFFSET | _PSH | _ACK | (_FIN if last else 0))
    frame.put16(_TCP + 14, 0xFFFF)
    frame.put(_DATA, data)
    return frame


class Answers:
    """Answers what a TAP hands over. `local`, `client`: IPv4 addresses of 4 octets; `mac`: ours."""

    def __init__(self, mac: bytes, local: bytes, client: bytes, content: bytes) -> None:
        if len(content) > MAX_CONTENT:
            raise ValueError(f"the ceiling answers with at most {MAX_CONTENT} octets, not {len(content)}")
        self.requests = 0
        self.passed = 0
        """Frames that were none of its business."""
        self._received = Memory(bytearray(_ROOM))
        self._bare = _frame(mac, local, client, b"", False)
        self._keep = _frame(mac, local, client, head(content, False) + content, False)
        self._last = _frame(mac, local, client, head(content, True) + content, True)
        self._usual = Memory(bytearray(_ROOM))
        self._usual_octets = -1
        self._usual_last = False
        self._close = Memory(_CLOSE)
        self._pseudo = self._bare.sum(_IP + 12, 8, 6)
        self.reply = self._bare
        """What `answer` made."""
        self._spin = Spin()
        self._epoll = Epoll(True)

    def answer(self, frame: Memory, octets: int) -> int:
        """Make the reply to a frame with its virtio_net_hdr; its octets in `reply`, 0 when there is none."""
        if (
            octets < _DATA
            or frame.get16(_VNET + 12) != 0x0800
            or frame.get8(_IP) != 0x45
            or frame.get8(_IP + 9) != 6
            or frame.get16(_IP + 6) & _LATER_FRAGMENT
        ):
            self.passed += 1
            return 0
        # What Ethernet padded is not data.
        end = min(_IP + frame.get16(_IP + 2), octets)
        data = _TCP + (frame.get8(_TCP + 12) >> 4) * 4
        flags = frame.get8(_TCP + 13)
        if data > end or data < _DATA or flags & _RST:
            self.passed += 1
            return 0
        seq = frame.get32(_TCP + 4)
        if flags & _SYN:
            self._bare.put32(_DATA, _MSS_OPTION | _MSS)
            return self._fill(self._bare, frame, 4, _ISS, seq + 1, _SYN_DATA_OFFSET | _SYN | _ACK)
        ack = frame.get32(_TCP + 8)
        if flags & _FIN:
            return self._fill(self._bare, frame, 0, ack, seq + (end - data) + 1, _DATA_OFFSET | _FIN | _ACK)
        if end == data:
            return 0
        if end - data < 4 or frame.get32(end - 4) != _END_OF_HEAD:
            # A part of a head: the answer follows its end.
            return self._fill(self._bare, frame, 0, ack, seq + (end - data), _DATA_OFFSET | _ACK)
        self.requests += 1
        if self._is_last(frame, data, end - data):
            return self._fill(self._last, frame, self._last.octets - _DATA - 4, ack, seq + (end - data), -1)
        return self._fill(self._keep, frame, self._keep.octets - _DATA - 4, ack, seq + (end - data), -1)

    def _is_last(self, frame: Memory, data: int, octets: int) -> bool:
        """Whether a request asks for the close; one that has the very octets of the last one is not read again."""
        if octets != self._usual_octets or not self._usual.equal(0, frame, data, octets):
            self._usual.copy(0, frame, data, octets)
            self._usual_octets = octets
            self._usual_last = False
            for at in range(data, data + octets - _CLOSE_OCTETS + 1):
                if frame.equal(at, self._close, 0, _CLOSE_OCTETS):
                    self._usual_last = True
        return self._usual_last

    def _fill(self, reply: Memory, frame: Memory, octets: int, seq: int, ack: int, offset_and_flags: int) -> int:
        """Write what is open in a reply of so many octets after the TCP header; the octets of the whole frame."""
        self.reply = reply
        reply.copy(_VNET, frame, _VNET + 6, 6)
        reply.put16(_IP + 2, 40 + octets)
        reply.put16(_IP + 10, 0)
        reply.put16(_IP + 10, ~reply.sum(_IP, 20, 0) & 0xFFFF)
        reply.put16(_TCP, frame.get16(_TCP + 2))
        reply.put16(_TCP + 2, frame.get16(_TCP))
        reply.put32(_TCP + 4, seq & _MASK32)
        reply.put32(_TCP + 8, ack & _MASK32)
        if offset_and_flags >= 0:
            reply.put16(_TCP + 12, offset_and_flags)
        checksum = self._pseudo + 20 + octets
        reply.put16(_TCP + 16, (checksum & 0xFFFF) + (checksum >> 16))
        return _DATA + octets

    def turn(self, fd: int) -> int:
        """Read and answer at most BURST frames; how many there were. What the device does not take is lost."""
        frames = 0
        while frames < _BURST:
            got = self._received.read_fd(fd, 0, _ROOM)
            if got < 0:
                break
            frames += 1
            octets = self.answer(self._received, got)
            if octets:
                self.reply.write_fd(fd, 0, octets)
        return frames

    def serve(self, fd: int) -> None:
        """Serve a device that does not block, for ever; looks again before sleep as the stack's components do."""
        self._epoll.beside = fd
        idle = 0
        while True:
            frames = self.turn(fd)
            if frames:
                self._spin.took(frames)
                idle = 0
            elif self._spin.again(idle):
                idle += 1
                yield_cpu()
            else:
                self._epoll.wait(-1)
                idle = 0
