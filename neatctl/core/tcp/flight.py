"""What a connection has in flight, octet by octet: when it was sent, what the peer reported, what is taken for lost.

Runs of numbers from SND.UNA to SND.NXT without a gap, each sent at one time and of one fate, so that a burst is one
run however many segments it has. Made when octets of two bursts are in flight, or when something is amiss: a connection
that answers one request at a time never has one. RFC 2018 and 6675 (what SACK reports), RFC 8985 section 6 (RACK: what
was sent some time before something that arrived is lost). Knows no timers, no window, and sends nothing.
"""

from __future__ import annotations

from neatctl.core.native import Memory
from neatctl.core.tcp.wheel import NEVER

MAX_RUNS = 1024
"""Beyond it reports of the peer are not noted, which costs retransmissions and nothing else."""
PATIENT_EPISODES = 16
"""How many recoveries a reordering window lasts that duplicates have widened (RFC 8985 section 6.2)."""

_MAX_RUNS = MAX_RUNS
_NEVER = NEVER
_NONE = -1
_PATIENT_EPISODES = PATIENT_EPISODES
_FIRST_RUNS = 8
_RUN = 16
"""Two words: the first number; when it was sent in microseconds, three bits to the left, and its marks."""
_SHIFT = 3
_SACKED, _LOST, _AGAIN = 1, 2, 4
"""Reported by the peer; taken for lost and not sent again yet; sent more than once."""
_SETTLED = _SACKED | _LOST


class Flight:
    """The numbers from `start` to before `end`. All of them are unwrapped, all times microseconds."""

    def __init__(self, start: int, end: int, sent_us: int) -> None:
        self.count = 1
        """How many runs there are."""
        self.end = end
        """SND.NXT."""
        self.sacked = 0
        """Octets that the peer reported."""
        self.lost = 0
        """Octets that are lost and were not sent again yet."""
        self.top = start
        """After the highest number that is known to have arrived."""
        self.newest_us = 0
        """When the latest of what is known to have arrived was sent (RACK.xmit_ts), its end, and how long it took."""
        self.newest_end = start
        self.rtt_us = 0
        self.reordered = False
        """Something that was sent once arrived after what was sent later."""
        self.look_us = _NEVER
        """When `detect` is to be called again, though nothing arrives."""
        self._memory = Memory(bytearray(_FIRST_RUNS * _RUN))
        self._put(0, start, sent_us << _SHIFT)

    def sent(self, end: int, now: int) -> None:
        """The numbers up to `end` were sent for the first time."""
        last = self.count - 1
        word = now << _SHIFT
        if self._word(last) != word:
            if self._make_room(1):
                self._put(self.count, self.end, word)
                self.count += 1
            else:
                self._uncount(last)
                self._put(last, self._start(last), word)
        self.end = end

    def again(self, start: int, end: int, now: int) -> None:
        """These numbers were sent once more."""
        self._set(start, end, now << _SHIFT | _AGAIN)

    def acknowledge(self, snd_una: int, now: int, min_rtt_us: int) -> None:
        """All below `snd_una` arrived; it is in flight no more. With `end` acknowledged nothing is left to ask for."""
        gone = 0
        while gone < self.count and self._start(gone) < snd_una:
            end = self._end(gone)
            self._arrived(gone, min(end, snd_una), now, min_rtt_us)
            self._uncount(gone)
            if end > snd_una:
                self._put(gone, snd_una, self._word(gone))
                self._count(gone)
                break
            gone += 1
        if gone:
            self.count -= gone
            self._memory.copy(0, self._memory, gone * _RUN, self.count * _RUN)
        self.top = max(self.top, snd_una)

    def report(self, start: int, end: int, now: int, min_rtt_us: int) -> int:
        """The peer reports that it holds `start` to before `end`; how many octets of it are news."""
        first = self._find(start)
        news = 0
        i = first
        while i < self.count and self._start(i) < end:
            if not self._word(i) & _SACKED:
                news += min(end, self._end(i)) - max(start, self._start(i))
            i += 1
        if news == 0 or not self._make_room(2):
            return 0
        while first < i:
            if not self._word(first) & _SACKED:
                self._arrived(first, min(end, self._end(first)), now, min_rtt_us)
            first += 1
        self._set(start, end, _SACKED)
        self.top = max(self.top, end)
        return news

    def detect(self, patience_us: int, now: int) -> int:
        """Take for lost what was sent `patience_us` and a round trip before something that arrived was (RFC 8985
        section 6.2, step 5); how many octets. `look_us` says when more may be."""
        self.look_us = _NEVER
        found = 0
        look = 0
        for i in range(self.count):
            word = self._word(i)
            if word & _SETTLED:
                continue
            sent_us = word >> _SHIFT
            if sent_us > self.newest_us or (sent_us == self.newest_us and self._end(i) > self.newest_end):
                continue
            due = sent_us + self.rtt_us + patience_us
            if due <= now:
                self._put(i, self._start(i), _LOST | (word & _AGAIN))
                found += self._end(i) - self._start(i)
            elif due > look:
                look = due
        if found:
            self.lost += found
            self._pack()
        if look:
            self.look_us = look
        return found

    def lose(self, below: int) -> int:
        """Take for lost all below this number that the peer did not report; how many octets are newly so."""
        if below < self.end and self._make_room(1):
            self._split(below)
        found = 0
        for i in range(self.count):
            word = self._word(i)
            if self._start(i) < below and not word & _SETTLED:
                self._put(i, self._start(i), _LOST | (word & _AGAIN))
                found += self._end(i) - self._start(i)
        self.lost += found
        self._pack()
        return found

    def find_again(self, now: int) -> None:
        """Nothing was lost after all: what was not sent again yet counts as in flight, sent now."""
        for i in range(self.count):
            word = self._word(i)
            if word & _LOST:
                self._put(i, self._start(i), now << _SHIFT | (word & _AGAIN))
        self.lost = 0
        self._pack()

    def forget_reports(self) -> None:
        """The peer dropped what it had reported (RFC 2018 section 8): all that is in flight is lost."""
        for i in range(self.count):
            self._put(i, self._start(i), _LOST)
        self.sacked = 0
        self.lost = self.end - self._start(0)
        self._pack()

    def reneged(self) -> bool:
        """Whether the peer does not acknowledge what it reported: SND.UNA itself."""
        return self._word(0) & _SACKED != 0

    def next_lost(self) -> int:
        """The first number that is lost and was not sent again; -1 for none."""
        for i in range(self.count):
            if self._word(i) & _LOST:
                return self._start(i)
        return -1

    def lost_end(self, seq: int) -> int:
        """Where the lost numbers end that `seq` lies among."""
        i = self._find(seq)
        while i < self.count and self._word(i) & _LOST:
            i += 1
        return self._start(i) if i < self.count else self.end

    def unreported_tail(self, octets: int) -> int:
        """Where to begin to send the last octets again that were not reported, `octets` of them at most."""
        i = self.count - 1
        while i > 0 and self._word(i) & _SACKED:
            i -= 1
        return max(self._start(i), self._end(i) - octets)

    def runs(self) -> list[tuple[int, int, int]]:
        """First number, when it was sent, and marks, of every run: for tests and the curious."""
        return [
            (self._start(i), self._word(i) >> _SHIFT, self._word(i) & (_SETTLED | _AGAIN)) for i in range(self.count)
        ]

    def _start(self, i: int) -> int:
        return self._memory.load64(i * _RUN)

    def _word(self, i: int) -> int:
        return self._memory.load64(i * _RUN + 8)

    def _end(self, i: int) -> int:
        return self._memory.load64((i + 1) * _RUN) if i + 1 < self.count else self.end

    def _put(self, i: int, start: int, word: int) -> None:
        self._memory.store64(i * _RUN, start)
        self._memory.store64(i * _RUN + 8, word)

    def _count(self, i: int) -> None:
        """Add run `i` to what is reported or lost."""
        word = self._word(i)
        if word & _SACKED:
            self.sacked += self._end(i) - self._start(i)
        elif word & _LOST:
            self.lost += self._end(i) - self._start(i)

    def _uncount(self, i: int) -> None:
        """Take run `i` away from what is reported or lost."""
        word = self._word(i)
        if word & _SACKED:
            self.sacked -= self._end(i) - self._start(i)
        elif word & _LOST:
            self.lost -= self._end(i) - self._start(i)

    def _arrived(self, i: int, end: int, now: int, min_rtt_us: int) -> None:
        """Numbers of run `i` up to `end` arrived (RFC 8985 section 6.2, steps 2 and 3)."""
        word = self._word(i)
        if word & _SACKED:
            return
        if end < self.top and not word & _AGAIN:
            self.reordered = True
        if word & _LOST:
            return
        sent_us = word >> _SHIFT
        if word & _AGAIN and now - sent_us < min_rtt_us:
            return  # Too soon: it was the first one of the two that arrived.
        if sent_us > self.newest_us or (sent_us == self.newest_us and end > self.newest_end):
            self.newest_us = sent_us
            self.newest_end = end
            self.rtt_us = now - sent_us

    def _find(self, seq: int) -> int:
        """The run that holds `seq`."""
        low = 0
        high = self.count
        while high - low > 1:
            middle = (low + high) >> 1
            if self._start(middle) <= seq:
                low = middle
            else:
                high = middle
        return low

    def _make_room(self, runs: int) -> bool:
        """Whether so many more runs can be held; there is memory for them then."""
        need = self.count + runs
        if need > _MAX_RUNS:
            return False
        if need * _RUN > self._memory.octets:
            larger = Memory(bytearray(max(2 * self._memory.octets, need * _RUN)))
            larger.copy(0, self._memory, 0, self.count * _RUN)
            self._memory = larger
        return True

    def _split(self, seq: int) -> int:
        """Let a run begin at `seq`, for which there is room; which one."""
        i = self._find(seq)
        if self._start(i) >= seq:
            return i
        memory = self._memory
        memory.copy((i + 2) * _RUN, memory, (i + 1) * _RUN, (self.count - i - 1) * _RUN)
        self.count += 1
        self._put(i + 1, seq, self._word(i))
        return i + 1

    def _set(self, start: int, end: int, word: int) -> None:
        """Give the numbers from `start` to before `end` one time and fate; without room, to whole runs."""
        room = self._make_room(2)
        first = self._split(start) if room else self._find(start)
        last = first
        if room and end < self.end:
            last = self._split(end) - 1
        else:
            while last + 1 < self.count and self._start(last + 1) < end:
                last += 1
        for i in range(first, last + 1):
            self._uncount(i)
        if last > first:
            memory = self._memory
            memory.copy((first + 1) * _RUN, memory, (last + 1) * _RUN, (self.count - last - 1) * _RUN)
            self.count -= last - first
        self._put(first, self._start(first), word)
        self._count(first)
        if first + 1 < self.count and self._word(first + 1) == word:
            self._join(first)
        if first > 0 and self._word(first - 1) == word:
            self._join(first - 1)

    def _join(self, i: int) -> None:
        """Make one run of `i` and the next, which are alike."""
        memory = self._memory
        memory.copy((i + 1) * _RUN, memory, (i + 2) * _RUN, (self.count - i - 2) * _RUN)
        self.count -= 1

    def _pack(self) -> None:
        """Make one run of neighbours that are alike."""
        kept = 0
        for i in range(1, self.count):
            if self._word(i) != self._word(kept):
                kept += 1
                if kept != i:
                    self._put(kept, self._start(i), self._word(i))
        self.count = kept + 1


NO_TRIAL, FIRST_ACK_DUE, NEW_DUE, SECOND_ACK_DUE = range(4)


class Repair:
    """What a connection that lost something keeps of it; the others have none. Octets and sequence numbers."""

    def __init__(self) -> None:
        self.delivered = 0
        """prr_delivered: what arrived since the episode began."""
        self.out = 0
        """prr_out: what was sent since."""
        self.flight = 0
        """RecoverFS: what was in flight when it began."""
        self.since = _NONE
        """SND.UNA when cwnd was last reduced, -1 when that cannot be taken back any more."""
        self.again = 0
        """Octets sent again since, less those that the peer reported as duplicates."""
        self.again_timestamp = _NONE
        """TSval of the first of them, or -1."""
        self.reordered = False
        """This path was seen to reorder."""
        self.steps = 1
        """The reordering window in quarters of the least round trip."""
        self.patient = _PATIENT_EPISODES
        self.widened = 0
        """No wider before this number is acknowledged."""
        self.marked = 0
        """No decrease for marks of routers before this number is acknowledged (RFC 3168 section 6.1.2)."""
        self.trial = NO_TRIAL
        """How far F-RTO has come in finding out whether a timeout was spurious (recovery.py)."""
