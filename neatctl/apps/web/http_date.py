"""Dates in HTTP (RFC 9110 section 5.6.7): IMF-fixdate written, all three forms read.

Seconds since 1970 in and out; independent of locale and time zone. Reads no clock.
"""

from __future__ import annotations

import calendar
import re
import time

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IMF = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_RFC850 = re.compile(r"[A-Z][a-z]{5,8}, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_ASCTIME = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})", re.ASCII)


def format_date(seconds: int) -> bytes:
    """For example `Sun, 06 Nov 1994 08:49:37 GMT`."""
    t = time.gmtime(seconds)
    text = f"{_DAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year:04}"
    return f"{text} {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT".encode()


def parse_date(text: str) -> int | None:
    """The seconds that a date of any of the three forms stands for; None if it is no date.

    A year of two digits is of this century up to 69, of the last one from 70 (POSIX).
    """
    if match := _IMF.fullmatch(text):
        day, month, year, hour, minute, second = match.groups()
    elif match := _RFC850.fullmatch(text):
        day, month, year, hour, minute, second = match.groups()
        year = ("20" if int(year) < 70 else "19") + year
    elif match := _ASCTIME.fullmatch(text):
        month, day, hour, minute, second, year = match.groups()
    else:
        return None
    if month not in _MONTHS:
        return None
    number = _MONTHS.index(month) + 1
    if int(year) < 1 or not 1 <= int(day) <= calendar.monthrange(int(year), number)[1]:
        return None
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        return None
    return calendar.timegm((int(year), number, int(day), int(hour), int(minute), int(second)))
