"""What a driver is asked to do to frames, as people write it: `loss=5%,out:delay=50ms`. Pure; nic/impair.py does it.

Words are parted by commas. Each is for both ways, or with `in:` or `out:` before it for what comes from the device or
goes to it. The words are those of tc-netem(8) as far as it has them, and mean what they mean there.
"""

from __future__ import annotations

import re

import msgspec

MOST_FRAMES = 4096
"""The most frames that may wait each way (a power of two)."""
MOST_DELAY_US = 60_000_000
MOST_BITS_PER_S = 1_000_000_000_000
EXAMPLES = {
    "loss": "loss=5%",
    "burst": "burst=1%/25%",
    "delay": "delay=50ms",
    "jitter": "jitter=5ms",
    "reorder": "reorder=10%",
    "duplicate": "duplicate=5%",
    "corrupt": "corrupt=1%",
    "rate": "rate=100mbit",
    "limit": "limit=1000",
}
"""All words, each with an example."""

_TIME = {"us": 1, "ms": 1_000, "s": 1_000_000}
_RATE = {"bit": 1, "kbit": 1_000, "mbit": 1_000_000, "gbit": 1_000_000_000}
_MEANING = {
    "burst": "two shares, of entering a burst and of leaving it with each frame",
    "rate": f"bits a second, at least 1000 ({', '.join(_RATE)})",
    "limit": f"a number of frames from 1 to {MOST_FRAMES}",
}


class OneWay(msgspec.Struct, frozen=True):
    """What happens to frames of one direction: shares from 0 to 1, times in microseconds."""

    loss: float = 0.0
    burst: tuple[float, float] = (0.0, 0.0)
    """With each frame a burst of losses begins, or ends, with these shares (Gilbert's model)."""
    delay: int = 0
    jitter: int = 0
    """Added or taken off at random, evenly; no frame overtakes another by it."""
    reorder: float = 0.0
    """The share of frames that others overtake, or with a delay the share that goes at once."""
    duplicate: float = 0.0
    corrupt: float = 0.0
    """The share of frames in which one bit turns."""
    rate: int = 0
    """Bits a second, 0 for no limit."""
    limit: int = MOST_FRAMES
    """How many frames may wait."""

    @property
    def nothing(self) -> bool:
        """Frames pass as they are."""
        return msgspec.structs.replace(self, limit=MOST_FRAMES, burst=(self.burst[0], 0.0)) == OneWay()


def parse_impairment(text: str) -> tuple[OneWay, OneWay]:
    """What the text asks for, (in, out); "" is nothing. ValueError says what is wrong."""
    ways: dict[str, dict[str, float | int | tuple[float, float]]] = {"in": {}, "out": {}}
    for part in text.split(",") if text.strip() else []:
        prefix, colon, rest = part.rpartition(":")
        word, _, amount = (piece.strip() for piece in rest.partition("="))
        if word not in EXAMPLES:
            raise ValueError(f"impairment {word!r} is not known; known: {', '.join(EXAMPLES)} (for example loss=5%)")
        if colon and prefix.strip() not in ways:
            raise ValueError(f"impairment {part.strip()!r}: in: and out: are the directions (for example out:loss=5%)")
        value = _amount(word, amount)
        if value is None:
            meaning = _MEANING.get(word, "a share from 0% to 100%")
            if word in ("delay", "jitter"):
                meaning = f"a time up to {MOST_DELAY_US // 1_000_000} s ({', '.join(_TIME)})"
            raise ValueError(f"impairment {part.strip()!r}: {word} is {meaning} (for example {EXAMPLES[word]})")
        for way in [prefix.strip()] if colon else ways:
            if word in ways[way]:
                raise ValueError(f"impairment {word!r} is given twice for what goes {way}")
            ways[way][word] = value
    inward, outward = (msgspec.convert(asked, OneWay) for asked in ways.values())
    for one in (inward, outward):
        if one.jitter > one.delay:
            raise ValueError("impairment 'jitter': it cannot be more than the delay (delay=50ms,jitter=5ms)")
    return inward, outward


def _amount(word: str, text: str) -> float | int | tuple[float, float] | None:
    """What stands behind the equals sign; None if that is no amount of this word."""
    if word == "burst":
        begin, end = (_share(piece.strip()) for piece in text.partition("/")[::2])
        return None if begin is None or not end else (begin, end)
    if word in ("delay", "jitter"):
        time = _scaled(text, _TIME)
        return time if time is not None and time <= MOST_DELAY_US else None
    if word == "rate":
        rate = _scaled(text, _RATE)
        return rate if rate is not None and 1_000 <= rate <= MOST_BITS_PER_S else None
    if word == "limit":
        return int(text) if re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= MOST_FRAMES else None
    return _share(text)


def _share(text: str) -> float | None:
    found = re.fullmatch(r"([0-9]+\.?[0-9]*|\.[0-9]+)\s*%", text)
    share = float(found[1]) / 100 if found else 2.0
    return share if share <= 1 else None


def _scaled(text: str, units: dict[str, int]) -> int | None:
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{0,9})?)\s*([a-z]+)", text.lower())
    return round(float(found[1]) * units[found[2]]) if found and found[2] in units else None
