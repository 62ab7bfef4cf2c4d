"""The moments written in system logs, as whole microseconds since 1970 (UTC).

A log line carries its moment either as RFC 3339 (complete) or as RFC 3164
(`Nov 22 12:14:43`: no year, no zone). The second form is completed from outside: the host's
zone is configured, and the year follows from a reference moment for the first line and from
the previous line for every later one, so that a log may run across New Year. Other writings
(`read_any`) are those that journalctl, containers and older daemons give.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final

SECOND: Final = 1_000_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_REFERENCE_TOLERANCE: Final = timedelta(days=1)
# Outside there are no mail logs, but arithmetic that leaves the calendar.
_PLAUSIBLE_YEARS: Final = range(1970, 9000)
_REPEATED_HOUR_TOLERANCE: Final = 120 * SECOND


_ANY: Final = re.compile(
    r"(?:(?P<epoch>\d{10})(?P<epoch_fraction>\.\d{1,9})?"
    r"|(?:(?P<weekday>(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*),?\s+)?"
    r"(?:(?P<date>\d{4}-\d\d-\d\d)[T\s]"
    r"|(?:(?P<year>\d{4})\s+)?"
    r"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\s+(?P<day>\d{1,2})"
    r"(?:,?\s+(?P<year_after>\d{4}))?,?\s+)"
    r"(?P<clock>\d\d:\d\d:\d\d)(?P<fraction>[.,]\d{1,9})?"
    r"(?:\s(?P<year_last>\d{4})(?=\s|$))?"
    r"\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d|(?(weekday)[A-Z]{2,5}|(?!)))?)(?=\s|:|$)"
)


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware moment."""
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(micros: int) -> datetime:
    """The UTC moment of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


@lru_cache(maxsize=4096)
def _second_prefix(seconds: int) -> str:
    return to_datetime(seconds * SECOND).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339(micros: int) -> str:
    """RFC 3339 text with microseconds and offset: `2026-11-22T12:23:08.904936+00:00`."""
    seconds, fraction = divmod(micros, SECOND)
    return f"{_second_prefix(seconds)}.{fraction:06d}+00:00"


class StampReader:
    """Reads the stamps of one log in its order; keeps the last one to complete the next.

    `zone` is the zone the host writes RFC 3164 stamps in. `reference` is a moment the first
    line is not later than (a day of slack): the file's modification time, the moment the
    record was received. `year` is the year of the first line, where it is known: then it is
    taken as it is, also on its first day.
    """

    def __init__(
        self, zone: tzinfo = UTC, reference: datetime | None = None, year: int | None = None
    ) -> None:
        self._zone = zone
        self._reference = reference
        self._year = year
        self._last: int | None = None
        self._seconds_key = ""
        self._seconds = 0

    @property
    def last(self) -> int | None:
        """The previous RFC 3164 stamp in microseconds; what a restart has to give back."""
        return self._last

    def resume(self, last: int | None) -> None:
        """Go on after the stamp `last` of an earlier reader."""
        self._last = last
        self._seconds_key = ""

    def refer(self, moment: datetime) -> None:
        """Name the reference of the first line, once the first record brings one."""
        if self._reference is None:
            self._reference = moment

    def read(self, line: str) -> tuple[int, int] | None:
        """The stamp a line opens with and the index after its blank, or None without one."""
        if line[19:20] == "." and line[32:33] == " " and line[10] == "T":
            # The µs form every current syslog daemon writes: only the second is parsed once.
            key = line[:19] + line[26:32]
            digits = line[20:26]
            if digits.isdecimal() and (key == self._seconds_key or self._learn_second(key)):
                return self._seconds + int(digits), 33
        if len(line) < 16:
            return None
        if line[4] == "-" and line[10] in "T ":
            return self._read_rfc3339(line)
        if line[3] == " " and line[15] == " " and line[:3] in _MONTHS:
            return self._read_rfc3164(line)
        return None

    def read_any(self, text: str) -> tuple[int, int] | None:
        """The same for every writing that is known; slower."""
        match = _ANY.match(text)
        if match is None:
            return None
        if match["epoch"] is not None:
            micros = int(match["epoch"]) * SECOND + _fraction(match["epoch_fraction"])
        else:
            hour, minute, second = (int(part) for part in match["clock"].split(":"))
            clock = hour, minute, min(second, 59)
            day = self._day_of(match)
            try:
                whole = (
                    self._complete(_MONTHS[match["month"]], int(match["day"]), *clock)
                    if day is None
                    else to_micros(
                        datetime(*day, *clock, tzinfo=_zone_of(match["zone"]) or self._zone)
                    )
                )
            except ValueError:
                return None
            if whole is None:
                return None
            micros = whole + _fraction(match["fraction"])
            if day is None:
                self._last, self._seconds_key = whole, ""
        end = match.end()
        while end < len(text) and text[end].isspace():
            end += 1
        return micros, end

    @staticmethod
    def _day_of(match: re.Match[str]) -> tuple[int, int, int] | None:
        """Year, month and day of a stamp that names its year."""
        if match["date"] is not None:
            year, month, day = match["date"].split("-")
            return int(year), int(month), int(day)
        named = match["year"] or match["year_after"] or match["year_last"]
        return None if named is None else (int(named), _MONTHS[match["month"]], int(match["day"]))

    def _read_rfc3339(self, line: str) -> tuple[int, int] | None:
        end = line.find(" ", 16)
        if end < 0:
            return None
        try:
            moment = datetime.fromisoformat(line[:end])
        except ValueError:
            return None
        if moment.year not in _PLAUSIBLE_YEARS:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        return to_micros(moment), end + 1

    def _learn_second(self, key: str) -> bool:
        try:
            moment = datetime.fromisoformat(key)
        except ValueError:
            return False
        if moment.tzinfo is None or moment.year not in _PLAUSIBLE_YEARS:
            return False
        self._seconds, self._seconds_key = to_micros(moment), key
        return True

    def _read_rfc3164(self, line: str) -> tuple[int, int] | None:
        key = line[:15]
        if key != self._seconds_key:
            try:
                month, day = _MONTHS[key[:3]], int(key[4:6])
                hour, minute, second = int(key[7:9]), int(key[10:12]), int(key[13:15])
            except ValueError:
                return None
            micros = self._complete(month, day, hour, minute, min(second, 59))
            if micros is None:
                return None
            self._seconds_key, self._seconds, self._last = key, micros, micros
        return self._seconds, 16

    def _complete(self, month: int, day: int, hour: int, minute: int, second: int) -> int | None:
        if self._last is None and self._year is not None:
            try:
                first = datetime(self._year, month, day, hour, minute, second, tzinfo=self._zone)
            except ValueError:
                return None
            return to_micros(first)
        previous = None if self._last is None else to_datetime(self._last)
        anchor = previous or self._reference or _EPOCH
        candidates = []
        for year in range(anchor.year - 4, anchor.year + 2):  # 29 February may be 4 years back
            try:
                moment = datetime(year, month, day, hour, minute, second, tzinfo=self._zone)
            except ValueError:
                continue
            candidates.append(self._unfold(moment))
        if not candidates:
            return None
        if previous is not None:
            base = to_micros(previous)
            return min(candidates, key=lambda micros: abs(micros - base))
        latest = to_micros(anchor + _REFERENCE_TOLERANCE)
        return max((c for c in candidates if c <= latest), default=candidates[0])

    def _unfold(self, moment: datetime) -> int:
        """In the hour the clocks repeat, the pass the log has reached."""
        first = to_micros(moment)
        if self._last is not None and first < self._last - _REPEATED_HOUR_TOLERANCE:
            second = to_micros(moment.replace(fold=1))
            if second > first:
                return second
        return first


def _fraction(text: str | None) -> int:
    """Microseconds of a written fraction of a second (`.25`)."""
    return 0 if text is None else int(text[1:7].ljust(6, "0"))


def _zone_of(text: str | None) -> tzinfo | None:
    """The zone a stamp names itself; None where it is the host's (names are ambiguous)."""
    if text is None or (text[0] not in "+-" and text not in ("Z", "UTC", "GMT")):
        return None
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
