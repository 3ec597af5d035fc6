"""Whether a silent component hangs, spins, or only waits for a core (a hang is a crash: paper section 3.6).

A component beats every 100 ms. When none has come for 500 ms, facts from /proc decide, for silence
alone proves nothing on a loaded machine:

    stopped, or asleep although its beat is due          hung: restart it
    used a core for 200 ms since its last beat           spinning: restart it
    runnable but given no core, or waiting for the disk  starved: wait

Without beats to go by (a standby, an application) only being stopped counts. Pure: facts and times,
in microseconds, are arguments. Whoever gets beats late himself must not ask: see `Watch.late`.
"""

from __future__ import annotations

from dataclasses import dataclass

BEAT_US = 100_000
SILENCE_US = 500_000
"""Five beats missed."""
SUSPICION_US = 200_000
"""From here on the CPU time is watched."""
SPIN_US = 200_000
"""A component that is well beats within half of this much CPU time."""
DISK_WAIT_US = 5_000_000
"""How long waiting for the disk excuses silence."""
LATE_US = 150_000
"""A round of examinations that comes later than this after its time says nothing about others."""

WELL = 0
WAIT = 1
HUNG = 2
SPINNING = 3


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What /proc says of a process: the state of its main thread (R S D T t Z X), whether any of its threads is
    runnable, the CPU time of all its threads."""

    state: str
    runnable: bool
    cpu_us: int


class Liveness:
    """What is known of the life of one process."""

    def __init__(self, now: int, beats: bool) -> None:
        self.beats = beats
        """Whether it owes beats."""
        self.last_beat = now
        self._judged = now
        self._stopped_since = -1
        self._cpu_us_at_suspicion = -1
        self._cpu_us = -1

    def beat(self, now: int) -> None:
        self.last_beat = now
        self._stopped_since = -1
        self._cpu_us_at_suspicion = -1
        self._cpu_us = -1

    def suspect(self, now: int) -> bool:
        """Whether facts are needed: after a silence, or from time to time where silence means nothing."""
        return now - (self.last_beat if self.beats else self._judged) >= SUSPICION_US

    def judge(self, now: int, facts: ProcessFacts) -> int:
        """WELL, WAIT, HUNG or SPINNING, by the facts of `now`; called once per round while suspect."""
        self._judged = now
        if facts.state in "Tt":
            if self._stopped_since < 0:
                self._stopped_since = self.last_beat if self.beats else now
            return HUNG if now - self._stopped_since >= SILENCE_US else WAIT
        self._stopped_since = -1
        if not self.beats:
            return WELL
        if self._cpu_us_at_suspicion < 0:
            self._cpu_us_at_suspicion = facts.cpu_us
        advanced = facts.cpu_us > self._cpu_us
        self._cpu_us = facts.cpu_us
        silence_us = now - self.last_beat
        if silence_us < SILENCE_US:
            return WAIT
        if facts.cpu_us - self._cpu_us_at_suspicion >= SPIN_US:
            return SPINNING
        if facts.state == "D":
            return HUNG if silence_us >= DISK_WAIT_US else WAIT
        return WAIT if facts.runnable or advanced else HUNG


class Watch:
    """The rounds of examinations: when the next is due, and whether one came too late to judge others by it."""

    def __init__(self, now: int) -> None:
        self.due = now + BEAT_US

    def late(self, now: int) -> bool:
        """Begin the round of `now`: True if whoever asks was starved himself, so that beats may lie unread."""
        late = now - self.due > LATE_US
        self.due = now + BEAT_US
        return late
