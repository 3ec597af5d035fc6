"""The ceiling's answers: what a client's kernel would take, and nothing for what is none of its business."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.core.wire.tcp_header import ACK, FIN, PSH, RST, SYN, Segment, checksum_holds
from neatctl.testbed.bench.limit_answers import BURST, MAX_CONTENT, Answers, head

CLIENT, LOCAL = bytes([10, 92, 0, 1]), bytes([10, 92, 0, 2])
CLIENT_MAC, MAC = b"\x02client"[:6], b"\x02limit"
PORT = 40_000
GET = b"GET /20b HTTP/1.1\r\nHost: 10.92.0.2\r\n\r\n"
LAST_GET = b"GET /20b HTTP/1.1\r\nHost: 10.92.0.2\r\nConnection: close\r\n\r\n"
CONTENT = b"0123456789abcdefghij"


def frame(
    flags: int, seq: int = 5000, ack: int = 1001, data: bytes = b"", padding: int = 0, version: int = 0x45
) -> bytes:
    """A frame of the client's with its virtio_net_hdr."""
    tcp = struct.pack("!HHIIBBHHH", PORT, 80, seq, ack, 5 << 4, flags, 64240, 0, 0) + data
    ip = struct.pack("!BBHHHBBH4s4s", version, 0, 20 + len(tcp), 7, 0x4000, 64, 6, 0, CLIENT, LOCAL)
    return bytes(10) + MAC + CLIENT_MAC + b"\x08\x00" + ip + tcp + bytes(padding)


class Reply:
    """What the client's kernel reads of an answer."""

    def __init__(self, answers: Answers, octets: int) -> None:
        whole = answers.reply.bytes(0, octets)
        self.flags, self.gso_type, self.header, self.gso, self.start, self.offset = struct.unpack("=BBHHHH", whole[:10])
        self.macs = whole[10:22]
        ip = whole[24:44]
        assert Memory(ip).sum(0, 20, 0) == 0xFFFF, "the header's checksum holds"
        assert struct.unpack("!H", ip[2:4])[0] == len(whole) - 24
        self.addresses = ip[12:20]
        tcp = bytearray(whole[44:])
        # The kernel completes a checksum that was begun with the pseudo-header, or trusts it.
        assert (self.flags, self.start, self.offset) == (1, 34, 16)
        begun = Memory(tcp).sum(0, len(tcp), 0)
        struct.pack_into("!H", tcp, 16, ~begun & 0xFFFF)
        memory = Memory(tcp)
        assert checksum_holds(memory, 0, len(tcp), self.addresses + bytes(tcp[:4]))
        self.segment = Segment()
        assert self.segment.parse(memory, 0, len(tcp)) == 0
        self.ports = struct.unpack("!HH", tcp[:4])
        self.data = bytes(tcp[self.segment.data_at : self.segment.data_at + self.segment.data_octets])


@pytest.fixture
def answers() -> Answers:
    return Answers(MAC, LOCAL, CLIENT, CONTENT)


def ask(answers: Answers, octets: bytes) -> Reply:
    made = answers.answer(Memory(octets), len(octets))
    assert made > 0
    return Reply(answers, made)


def test_a_connection_from_its_opening_to_its_end(answers: Answers) -> None:
    opened = ask(answers, frame(SYN, seq=0xFFFFFFFF, ack=0))
    assert opened.macs == CLIENT_MAC + MAC
    assert opened.addresses == LOCAL + CLIENT
    assert opened.ports == (80, PORT)
    assert (opened.segment.flags, opened.segment.ack, opened.segment.mss) == (SYN | ACK, 0, 1460)
    first = (opened.segment.seq + 1) & 0xFFFFFFFF
    bare = frame(ACK, seq=0, ack=first)
    assert answers.answer(Memory(bare), len(bare)) == 0
    answered = ask(answers, frame(PSH | ACK, seq=0, ack=first, data=GET))
    assert (answered.segment.seq, answered.segment.ack, answered.segment.flags) == (first, len(GET), PSH | ACK)
    assert answered.data == head(CONTENT, close=False) + CONTENT
    again = ask(answers, frame(PSH | ACK, seq=len(GET), ack=first + len(answered.data), data=GET))
    assert again.data == answered.data
    end = ask(answers, frame(FIN | ACK, seq=2 * len(GET), ack=first + 2 * len(again.data)))
    assert (end.segment.flags, end.segment.ack) == (FIN | ACK, 2 * len(GET) + 1)
    assert (answers.requests, answers.passed) == (2, 0)


def test_who_asks_for_the_close_gets_it_and_the_next_one_does_not(answers: Answers) -> None:
    for data, close in ((GET, False), (LAST_GET, True), (LAST_GET, True), (GET, False)):
        answered = ask(answers, frame(PSH | ACK, data=data))
        assert bool(answered.segment.flags & FIN) == close
        assert answered.data == head(CONTENT, close) + CONTENT
    assert b"Connection: close" in head(CONTENT, close=True)


def test_part_of_a_head_is_acknowledged_and_answered_at_its_end(answers: Answers) -> None:
    part = ask(answers, frame(ACK, data=GET[:20]))
    assert (part.segment.flags, part.segment.ack, part.data) == (ACK, 5020, b"")
    assert ask(answers, frame(ACK, seq=5020, data=GET[20:])).data.endswith(CONTENT)


def test_padding_of_a_short_frame_is_no_data(answers: Answers) -> None:
    padded = frame(ACK, padding=6)
    assert answers.answer(Memory(padded), len(padded)) == 0


def test_an_answer_longer_than_a_segment_is_the_kernels_to_cut() -> None:
    content = bytes(range(250)) * (MAX_CONTENT // 250)
    answered = ask(Answers(MAC, LOCAL, CLIENT, content), frame(PSH | ACK, data=GET))
    assert (answered.gso_type, answered.header, answered.gso) == (1, 54, 1460)
    assert answered.data.endswith(content)
    with pytest.raises(ValueError, match="at most 32000 octets"):
        Answers(MAC, LOCAL, CLIENT, bytes(MAX_CONTENT + 1))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        bytes(64),
        frame(SYN)[:63],
        frame(SYN, version=0x65),
        frame(RST | ACK),
        frame(SYN | RST),
        frame(SYN).replace(b"\x08\x00E", b"\x86\xddE"),
        frame(SYN).replace(b"\x40\x06", b"\x40\x11"),
        frame(SYN).replace(b"\x07\x40\x00", b"\x07\x00\x10"),
    ],
)
def test_what_is_none_of_its_business_is_passed_over(octets: bytes, answers: Answers) -> None:
    assert answers.answer(Memory(octets), len(octets)) == 0
    assert answers.passed == 1


@given(st.binary(max_size=120), st.integers(0, 120))
def test_no_frame_ends_it(octets: bytes, kept: int) -> None:
    answers = Answers(MAC, LOCAL, CLIENT, CONTENT)
    for data in (octets, frame(PSH | ACK, data=GET)[:kept] + octets):
        answers.answer(Memory(data + b"\0"), len(data))


def test_a_turn_takes_what_is_there_and_no_more_than_a_burst(answers: Answers) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        theirs.settimeout(5)
        for _ in range(BURST + 2):
            theirs.send(frame(PSH | ACK, data=GET))
        assert [answers.turn(ours.fileno()) for _ in range(3)] == [BURST, 2, 0]
        assert theirs.recv(1 << 16).endswith(CONTENT)
    assert answers.requests == BURST + 2
