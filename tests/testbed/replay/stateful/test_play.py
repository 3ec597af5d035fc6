"""A captured client against a live server, in virtual time: a server that splits, a link that loses and reorders."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.core.wire.tcp_header import ACK, FIN, PSH, RST, SYN, Segment
from neatctl.testbed.replay.stateful.comparison import compare
from neatctl.testbed.replay.stateful.script import CLOSED, CUT, REFUSED, RESET_BY_CLIENT, UNANSWERED
from tests.testbed.replay.stateful.conversation import Link, Played, Server, Tape, play

REQUEST = b"GET / HTTP/1.1\r\n\r\n"
ANSWER = bytes(range(256)) * 40


def parsed(octets: bytes) -> Segment:
    segment = Segment()
    segment.parse(Memory(octets), 0, len(octets))
    return segment


def equal(played: Played) -> bool:
    return compare(played.player.script, played.player.receipt.answers, ()).difference is None


def one() -> Tape:
    return Tape().open().ask(REQUEST, ANSWER).close()


def test_a_conversation_is_played_with_the_numbers_of_the_live_server() -> None:
    played = play(one().script(), Server([len(REQUEST)], [ANSWER]))
    player = played.player
    assert (player.ended, player.unplayed, player.flight.retransmitted, player.unexpected) == (CLOSED, 0, 0, 0)
    assert equal(played)
    assert played.server.octets == REQUEST
    syn = parsed(played.sent[0][1])
    assert (syn.flags, syn.seq, syn.ts_val) == (SYN, (0xFFFFFF00 + 12345) & 0xFFFFFFFF, 1000 + 77)
    assert [parsed(octets).flags for _, octets in played.sent if parsed(octets).length] == [SYN, ACK | PSH, ACK | FIN]


def test_pauses_are_kept_or_left_out() -> None:
    tape = Tape().open()
    tape.now_ns += 3_000_000_000
    script = tape.ask(REQUEST, b"answer").close().script()
    times = {speed: play(script, Server([len(REQUEST)], [b"answer"]), speed=speed).now_us for speed in (0.0, 1.0, 10.0)}
    assert times[0.0] < 10_000
    assert 3_000_000 < times[1.0] < 3_100_000
    assert 300_000 < times[10.0] < 320_000


def test_another_octet_is_found_where_it_is() -> None:
    other = bytearray(ANSWER)
    other[5000] ^= 1
    played = play(one().script(), Server([len(REQUEST)], [bytes(other)]))
    assert played.player.ended == CLOSED
    difference = compare(played.player.script, played.player.receipt.answers, ()).difference
    assert difference is not None
    assert (difference.captured_offset, difference.live_offset, difference.before) == (5000, 5000, 4)
    assert bytes.fromhex(difference.captured_hex) == ANSWER[4996:5012]
    assert bytes.fromhex(difference.live_hex) == bytes(other[4996:5012])


@pytest.mark.parametrize(("live", "offset"), [(ANSWER + b"more", len(ANSWER)), (ANSWER[:-10], len(ANSWER) - 10)])
def test_a_longer_or_shorter_answer_differs_where_one_ends(live: bytes, offset: int) -> None:
    played = play(one().script(), Server([len(REQUEST)], [live], closes_first=True))
    difference = compare(played.player.script, played.player.receipt.answers, ()).difference
    assert difference is not None
    assert difference.captured_offset == offset


def test_who_never_answers_and_who_stops() -> None:
    silent = play(one().script(), Server([], []), Link(lambda _index, _octets: []))
    assert silent.player.ended == UNANSWERED
    assert [now for now, _ in silent.sent] == [0, 1_000_000, 3_000_000]
    waits = play(one().script(), Server([1 << 30], [b""]), timeout_us=2_000_000)
    assert waits.player.ended == "timeout"
    assert waits.server.reset, "the server keeps a connection that nobody wants"
    assert 2_000_000 <= waits.now_us < 2_500_000
    difference = compare(waits.player.script, waits.player.receipt.answers, ()).difference
    assert difference is not None
    assert difference.captured_offset == 0


def test_a_limit_of_time_ends_what_still_moves() -> None:
    script = Tape().open().ask(REQUEST, ANSWER * 10).close().script()
    slow = play(script, Server([len(REQUEST)], [ANSWER * 10]), Link(lambda _i, _o: [40_000]), limit_us=200_000)
    assert (slow.player.ended, slow.server.reset) == ("limit", True)
    assert 200_000 <= slow.now_us < 300_000


def test_refused_or_reset() -> None:
    player = play(one().script(), Server([], []), Link(lambda _index, _octets: []), until_us=1).player
    syn = parsed(player.out[0]) if player.out else None
    assert syn is None
    # An RST whose acknowledgement is not of the SYN is nobody's.
    segment = Segment()
    segment.flags, segment.ack = RST | ACK, 5
    player.arrive(segment, 10)
    assert (player.over, player.unexpected) == (False, 1)
    segment.ack = (0xFFFFFF00 + 12345 + 1) & 0xFFFFFFFF
    player.arrive(segment, 20)
    assert player.ended == REFUSED


def test_a_client_that_resets_does_so_again() -> None:
    tape = Tape().open().ask(REQUEST, ANSWER)
    tape.client(RST)
    played = play(tape.script(), Server([len(REQUEST)], [ANSWER]))
    assert (played.player.ended, played.server.reset) == (RESET_BY_CLIENT, True)
    assert equal(played)


def test_a_capture_that_ends_before_the_connection_did() -> None:
    played = play(Tape().open().ask(REQUEST, ANSWER).script(), Server([len(REQUEST)], [ANSWER]))
    assert (played.player.ended, played.server.reset) == (CUT, True)
    assert equal(played)


def test_half_closes() -> None:
    tape = Tape().open()
    tape.client(ACK | PSH, b"all I have to say")
    tape.client(ACK | FIN)
    tape.server()
    for at in range(0, len(ANSWER), 1000):
        tape.server(ACK, ANSWER[at : at + 1000])
        tape.client()
    tape.server(ACK | FIN)
    tape.client()
    played = play(tape.script(), Server([17], [ANSWER]))
    assert (played.player.ended, played.server.octets, equal(played)) == (CLOSED, b"all I have to say", True)


def test_a_bigger_mss_than_the_servers_is_split_and_the_window_waited_for() -> None:
    upload = bytes(range(251)) * 800
    tape = Tape().open()
    for at in range(0, len(upload), 40_000):
        tape.client(ACK | PSH, upload[at : at + 40_000])
        tape.server()
    tape.server(ACK, b"thanks")
    played = play(tape.close().script(), Server([len(upload)], [b"thanks"], mss=700, window=9000))
    assert (played.player.ended, played.server.octets == upload, equal(played)) == (CLOSED, True, True)
    assert max(len(octets) for _, octets in played.sent) <= 20 + 12 + 700


def test_one_direction_alone() -> None:
    tape = one()
    tape.segments = [segment for segment in tape.segments if segment.source == tape.segments[0].source]
    script = tape.script()
    assert (script.expected, script.holes) == (len(ANSWER), [(0, len(ANSWER))])
    played = play(script, Server([len(REQUEST)], [ANSWER]))
    assert played.server.octets == REQUEST
    assert equal(played), "what the capture lacks equals anything"
    assert len(played.player.receipt.answers) == len(ANSWER)
    assert played.player.ended == CLOSED


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    requests=st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 20_000)), min_size=1, max_size=4),
    losses=st.sampled_from([0.0, 0.02, 0.1, 0.3]),
    disorder_us=st.sampled_from([0, 300, 5000]),
    speed=st.sampled_from([0.0, 1.0]),
    window=st.sampled_from([2000, 60_000]),
)
def test_loss_order_and_segments_of_the_link_change_nothing(
    seed: int, requests: list[tuple[int, int]], losses: float, disorder_us: int, speed: float, window: int
) -> None:
    rng = random.Random(seed)
    tape = Tape().open()
    asked, asks, answers = b"", [], []
    for ask, answer in requests:
        request, said = rng.randbytes(ask), rng.randbytes(answer)
        tape.ask(request, said, rng.choice([300, 1448, 9000]))
        asked += request
        asks.append(len(asked))
        answers.append(said)
    expected = b"".join(answers)
    server = Server(asks, answers, rng, window=window, mss=rng.choice([200, 1000, 1448]))

    def fate(_index: int, _octets: bytes) -> list[int]:
        copies = 0 if rng.random() < losses else 2 if rng.random() < losses / 4 else 1
        return [100 + rng.randint(0, disorder_us) for _ in range(copies)]

    played = play(tape.close().script(), server, Link(fate), speed=speed, timeout_us=300_000_000)
    assert bytes(played.player.receipt.answers.head) == expected
    assert server.octets == asked
    assert played.player.ended == CLOSED
    assert equal(played)
    assert all(one <= other for (one, _), (other, _) in pairwise(played.sent))
    if not losses and not disorder_us:
        assert played.player.flight.retransmitted == 0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 32), lost=st.floats(0, 0.4))
def test_a_capture_out_of_order_with_repeats_is_the_same_conversation(seed: int, lost: float) -> None:
    """What a lossy way did to a capture is not played again as an error: the octets are the same."""
    rng = random.Random(seed)
    tape = one()
    middle = tape.segments[3:-3]
    moved = sorted(range(len(middle)), key=lambda i: i + rng.random() * 3)
    body = [middle[i] for i in moved if not middle[i].data or rng.random() >= lost or middle[i].source[1] == 40000]
    again = [middle[i] for i in moved]
    tape.segments[3:-3] = body + again
    played = play(tape.script(), Server([len(REQUEST)], [ANSWER]))
    assert (played.player.ended, equal(played), played.server.octets) == (CLOSED, True, REQUEST)


def test_what_came_behind_a_hole_is_told_by_sack_and_the_newest_timestamp_echoed() -> None:
    lost = iter([False] * 9 + [True])

    def fate(_index: int, octets: bytes) -> list[int]:
        return [] if len(octets) > 200 and next(lost, False) else [100]

    played = play(one().script(), Server([len(REQUEST)], [ANSWER], rto_us=20_000), Link(fate))
    assert equal(played)
    blocks = [segment for _, octets in played.sent if (segment := parsed(octets)).sack_blocks]
    assert blocks, "no SACK"
    assert all((segment.memory.get32(segment.sack_at) - segment.ack) & 0xFFFFFFFF < 1 << 20 for segment in blocks)
    echoed = [parsed(octets).ts_ecr for _, octets in played.sent]
    assert echoed[0] == 0
    assert all(one <= other for one, other in pairwise(echoed))
    assert played.server.ts_now - echoed[-1] < 10


def test_three_repeats_of_an_acknowledgement_bring_what_was_lost() -> None:
    upload = bytes(range(256)) * 40
    tape = Tape().open()
    for at in range(0, len(upload), 1024):
        tape.client(ACK, upload[at : at + 1024])
    tape.server()
    large: list[int] = []

    def fate(index: int, octets: bytes) -> list[int]:
        if len(octets) > 800:
            large.append(index)
        return [] if len(octets) > 800 and len(large) == 3 else [100]

    played = play(tape.close().script(), Server([], [], mss=1400), Link(fate))
    assert (played.player.ended, played.player.flight.retransmitted) == (CLOSED, 1)
    assert played.now_us < 100_000, "the timer was waited for"


def test_only_the_last_piece_of_a_segment_carries_its_fin() -> None:
    tape = Tape().open()
    tape.client(ACK | PSH | FIN, bytes(3000))
    tape.server()
    tape.server(ACK | FIN)
    tape.client()
    played = play(tape.script(), Server([], [], mss=700))
    pieces = [parsed(octets) for _, octets in played.sent if parsed(octets).data_octets]
    assert [bool(piece.flags & FIN) for piece in pieces] == [False] * 4 + [True]
    assert (played.player.ended, len(played.server.octets)) == (CLOSED, 3000)


def test_a_closed_window_is_asked_for() -> None:
    class Shut(Server):
        """Has room for 3 KiB until it is asked for more."""

        asked = 0

        def arrive(self, octets: bytes) -> list[bytes]:
            segment = parsed(octets)
            number = (segment.seq - self.client_isn) & 0xFFFFFFFF
            if 1 < self.rcv_nxt == number + 1 and not segment.length:
                self.asked += 1
                return [self._say(self.nxt, b"", ACK)]
            return super().arrive(octets)

        def _say(self, seq: int, data: bytes, flags: int) -> bytes:
            self.window = 60_000 if self.asked else max(3072 - self.rcv_nxt, 0)
            return super()._say(seq, data, flags)

    tape = Tape().open()
    for _ in range(5):
        tape.client(ACK, bytes(1000))
    tape.server()
    server = Shut([], [])
    played = play(tape.close().script(), server)
    assert (played.player.ended, len(server.octets)) == (CLOSED, 5000)
    assert server.asked >= 1


def test_a_capture_whose_segments_changed_places_is_played_in_the_order_of_their_acknowledgements() -> None:
    tape = Tape().open().ask(b"one", b"first").ask(b"two", b"second").close()
    again = [each for each in tape.segments if each.data == b"two"]
    tape.segments.remove(again[0])
    tape.segments.insert(len(tape.segments) - 2, again[0])
    played = play(tape.script(), Server([3, 6], [b"first", b"second"]))
    assert (played.player.ended, equal(played)) == (CLOSED, True)
