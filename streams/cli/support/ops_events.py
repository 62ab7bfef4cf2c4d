"""Events of ``mail.ops`` from a terminal: their parameters, windows that come again, the record."""

import getpass
import re
import uuid
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import orjson
from dateutil.rrule import rrulestr

from mailsla.schemas.codec.identifiers import parse_instant, rfc3339
from mailsla.schemas.codec.records import Rejection, decode_event
from mailsla.schemas.topics import OPS
from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.cli.support.kafka_publish import Record

MOST_WINDOWS: Final = 400
"""So many windows one rule may give; more than one a day for a year."""
_DURATION: Final = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")

Window = tuple[datetime, datetime]


class InstantType(click.ParamType):
    """A point in time, RFC 3339 with offset."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The time in UTC."""
        try:
            return parse_instant(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


class SectionsType(click.ParamType):
    """Sections of the agreement, ``1,2``."""

    name = "SECTIONS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        """The sections, ascending, each once."""
        if isinstance(value, list):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if not all(part in set("123456789") and part for part in parts):
            self.fail(f"{value!r} names no sections; write numbers 1 to 9 as 1,2", param, ctx)
        return sorted({int(part) for part in parts})


class DurationType(click.ParamType):
    """A length of time as ``1h30m``."""

    name = "DURATION"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """The length, more than nothing."""
        if isinstance(value, timedelta):
            return value
        found = _DURATION.fullmatch(str(value))
        parts = found.groups("0") if found else ("0", "0", "0", "0")
        days, hours, minutes, seconds = (int(part) for part in parts)
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if not length:
            self.fail(f"{value!r} is no length of time; write one such as 40m or 1h30m", param, ctx)
        return length


INSTANT: Final = InstantType()
SECTIONS: Final = SectionsType()
DURATION: Final = DurationType()


def windows_of(
    starts_at: datetime,
    ends_at: datetime | None,
    duration: timedelta | None,
    rule: str | None,
    timezone: str,
) -> list[Window]:
    """The windows ``[start, end)`` that are declared: one, or one for each time of a rule.

    Args:
        starts_at: the first start.
        ends_at: the first end; or else ``duration``.
        duration: of each.
        rule: an iCalendar recurrence rule (RFC 5545) that ends.
        timezone: in which the local time of the starts stays the same.

    Raises:
        CommandError: no end or two of them, or a rule that cannot be read or does not end.

    """
    if (ends_at is None) == (duration is None):
        raise CommandError("how long? give either --to or --duration")
    length = duration if duration is not None else (ends_at or starts_at) - starts_at
    if length <= timedelta(0):
        raise CommandError("--to is not after --from, which is no time at all; mend either time")
    starts = [starts_at] if rule is None else _starts(starts_at, rule, timezone)
    return [(start, start + length) for start in starts]


def _starts(first: datetime, rule: str, timezone: str) -> list[datetime]:
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        reason = f"{timezone!r} is no IANA time zone; write one such as Asia/Shanghai"
        raise CommandError(reason) from None
    text = rule.upper().removeprefix("RRULE:")
    if not {"COUNT", "UNTIL"} & {part.partition("=")[0] for part in text.split(";")}:
        raise CommandError(f"the rule {rule!r} never ends; add COUNT=… or UNTIL=…")
    try:
        local = first.astimezone(zone).replace(tzinfo=None)
        found = list(islice(rrulestr(text, dtstart=local, ignoretz=True), MOST_WINDOWS + 1))
    except (ValueError, TypeError) as error:
        raise CommandError(
            f"the rule {rule!r} cannot be read ({error}); write one such as FREQ=WEEKLY;COUNT=10"
        ) from None
    if not 0 < len(found) <= MOST_WINDOWS:
        count = f"more than {MOST_WINDOWS}" if found else "no"
        raise CommandError(f"the rule {rule!r} gives {count} windows; mend its COUNT or UNTIL")
    return [one.replace(tzinfo=zone).astimezone(UTC) for one in found]


def ops_record(type_: str, tenant: str, time: datetime, fields: dict[str, Any]) -> Record:
    """One event of ``mail.ops`` to publish, checked as the workers will check it.

    Raises:
        CommandError: the workers would refuse it.

    """
    event = {
        "id": str(uuid.uuid4()),
        "source": f"mailsla-cli/{user()}",
        "type": type_,
        "tenant_id": tenant,
        "time": rfc3339(time),
        **{name: value for name, value in fields.items() if value is not None},
    }
    value = orjson.dumps(event)
    checked = decode_event(OPS.name, value, datetime.now(UTC))
    if isinstance(checked, Rejection):
        where = f"{checked.field}: " if checked.field else ""
        raise CommandError(f"{where}{checked.reason}")
    return Record(OPS.name, tenant.encode(), value)


def user() -> str:
    """Who calls, as the system knows; there may be no name for a number."""
    try:
        return getpass.getuser()[:64]
    except (KeyError, OSError):
        return "unknown"
