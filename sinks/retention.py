"""For how long tables keep their rows, from when they landed; ``mailsla migrate`` applies it.

What a closing is worked out from again is kept for ever, and so are the books. Mail may be
forgotten, because a closing reads it of its own month alone (and some days around it); the other
facts may not, because a month may hang on the first event of a source, however old. Of a month
whose mail may be gone nothing is worked out any more: its revisions stay as they are.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.errors import ClosingError
from mailsla.streams.settings import ConfigurationError, Settings

MAIL: Final = "mta_events"
_LEAST: Final[Mapping[str, int]] = MappingProxyType(
    {MAIL: 62, "windows": 32, "outages": 32, "breaches": 32, "status": 62, "dead_letters": 1}
)
"""Table that may forget → the fewest days: a month, and the time in which it is closed or audited.
"""
_DEFAULT: Final = {"dead_letters": 90}
"""Dead letters hold what was sent, personal data among it, and serve until it is mended."""
_READ_BEFORE: Final = timedelta(days=9)
"""So long before its month's first day (UTC) a closing reads mail, time zones included."""
_TTL: Final = re.compile(r"TTL toDateTime\(landed_at\) \+ toIntervalDay\((\d+)\)")


class ForgottenError(ClosingError):
    """The facts of a month may be gone."""


def wanted_days(settings: Settings) -> dict[str, int]:
    """Table → for how many days it is to keep its rows; a table that is not named keeps them.

    Raises:
        ConfigurationError: MAILSLA_KEEP_DAYS names a table that may not forget, or too few days.

    """
    found = dict(_DEFAULT)
    for entry in filter(None, (part.strip() for part in settings.keep_days.split(","))):
        table, _, days = entry.partition("=")
        if table not in _LEAST:
            raise ConfigurationError(
                f"MAILSLA_KEEP_DAYS: {table[:64]} cannot forget, closings are worked out from it; "
                f"name some of {', '.join(_LEAST)}"
            )
        least = _LEAST[table] + (int(settings.close_after_h / 24) + 1 if table == MAIL else 0)
        if not (days.isascii() and days.isdigit() and least <= int(days) <= 36_500):
            raise ConfigurationError(
                f"MAILSLA_KEEP_DAYS: {table} has to keep its rows {least} days at least; write "
                f"{table}={least} or more, or leave it out to keep them for ever"
            )
        found[table] = int(days)
    return found


def kept_days(client: Client) -> dict[str, int]:
    """Table → for how many days it keeps its rows; tables that keep them for ever are left out."""
    rows = client.query(
        "SELECT name, engine_full FROM system.tables"
        " WHERE database = {database:String} AND name IN {tables:Array(String)}",
        parameters={"database": client.database, "tables": list(_LEAST)},
    ).result_rows
    return {name: int(ttl[1]) for name, engine in rows if (ttl := _TTL.search(engine))}


def apply_retention(client: Client, wanted: Mapping[str, int]) -> list[str]:
    """Have every table keep its rows as wanted; what was changed, a line each."""
    kept = kept_days(client)
    done = []
    for table in _LEAST:
        days = wanted.get(table)
        if days == kept.get(table):
            continue
        # Table and days are a name of this module and a number.
        ttl = "REMOVE TTL" if days is None else f"MODIFY TTL {_ttl(days)}"
        client.command(f"ALTER TABLE {table} {ttl}")
        done.append(f"{table} keeps its rows {_worded(days)}")
    return done


def contradictions(wanted: Mapping[str, int], kept: Mapping[str, int]) -> list[str]:
    """Where the tables keep their rows otherwise than wanted."""
    return [
        f"{table} keeps its rows {_worded(kept.get(table))}, not {_worded(wanted.get(table))}"
        for table in _LEAST
        if wanted.get(table) != kept.get(table)
    ]


def require_facts(client: Client, month: date) -> None:
    """Return if every fact of a month must still be there.

    Raises:
        ForgottenError: its mail may be gone.

    """
    days = kept_days(client).get(MAIL)
    if days is None:
        return
    first = datetime(month.year, month.month, 1, tzinfo=UTC) - _READ_BEFORE
    if first + timedelta(days=days) < datetime.now(UTC):
        raise ForgottenError(
            f"Mail is kept {days} days, so that of {month:%Y-%m} may be gone; what is closed of "
            "the month stays, and nothing of it can be worked out any more."
        )


def _ttl(days: int) -> str:
    return f"toDateTime(landed_at) + INTERVAL {days} DAY"


def _worded(days: int | None) -> str:
    return "for ever" if days is None else f"{days} days"
