"""``mailsla dead-letters``: what could not be accepted and why; replay after a fix."""

from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table

from schemas.codec import Rejection, decode_contract, decode_event
from schemas.contract import Contract
from schemas.envelope import Event
from schemas.registry import EVENT_TYPES
from schemas.topics import CONTRACTS
from streams.cli.common import settings_of, state_file_option
from streams.cli.errors import CheckFailed
from streams.cli.publishing import Record, publish
from streams.cli.reading import Row, cell, reading, rows, show_json, show_table
from streams.settings import Settings

_AT_ONCE: Final = 1_000
_REASONS_SHOWN: Final = 5

_CHOSEN: Final = (
    "FROM dead_letters FINAL"
    " WHERE ({topic:String} = '' OR topic = {topic:String})"
    " AND positionCaseInsensitiveUTF8(reason, {reason:String}) > 0"
)

Place = tuple[str, int, int]


@click.group()
def dead_letters() -> None:
    """What could not be accepted, with the reason and the original bytes.

    \b
    Examples:
      mailsla dead-letters list --topic mail.mta
      mailsla dead-letters replay --dry-run
    """  # noqa: D301 - \b is click's mark for text to leave as it is


@dead_letters.command("list")
@click.option("--topic", default="", help="Only of this topic.")
@click.option("--reason", default="", help="Only with this text in the reason.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="At most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the bytes as value_b64.")
@state_file_option
@click.pass_context
def list_(
    ctx: click.Context,
    topic: str,
    reason: str,
    limit: int,
    as_json: bool,
    own_state_file: Path | None,
) -> None:
    """List dead letters, the latest first.

    `place` is topic/partition/offset of the record that was refused; times are UTC.

    \b
    Example:
      mailsla dead-letters list --topic mail.mta --reason clock
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    settings = settings_of(ctx, own_state_file)
    parameters = {"topic": topic, "reason": reason, "limit": limit}
    columns = "topic, partition, offset, reason, field, received_at, value_b64"
    found = rows(
        settings,
        f"SELECT {columns} {_CHOSEN} ORDER BY received_at DESC, topic, partition, offset DESC"
        " LIMIT {limit:UInt32}",
        parameters,
    )
    if as_json:
        show_json(found)
        return
    if found:
        show_table(_table(found))
    total = rows(settings, f"SELECT count() AS total {_CHOSEN}", parameters)[0]["total"]
    if total > len(found) or not total:
        click.echo(f"{len(found)} of {total} dead letters shown", err=True)


class PlaceType(click.ParamType):
    """Where a refused record stood."""

    name = "TOPIC/PARTITION/OFFSET"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Place:
        """Topic, partition, offset."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split("/")
        if len(parts) != 3 or not all(p.isascii() and p.isdigit() for p in parts[1:]):
            self.fail(f"{value!r} is no place; copy it from the list: mail.mta/0/17", param, ctx)
        return parts[0], int(parts[1]), int(parts[2])


_PLACE = PlaceType()


@dead_letters.command()
@click.argument("places", nargs=-1, type=_PLACE, metavar="[PLACE]...")
@click.option("--topic", default="", help="Only of this topic.")
@click.option("--ids", multiple=True, type=_PLACE, help="Only this one; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Only say what would pass now.")
@state_file_option
@click.pass_context
def replay(
    ctx: click.Context,
    places: tuple[Place, ...],
    topic: str,
    ids: tuple[Place, ...],
    dry_run: bool,
    own_state_file: Path | None,
) -> None:
    """Publish again, unchanged, the records that pass now, under their tenant's key.

    What is still refused is counted with the reason and left alone: it would only come back as
    another dead letter. Replaying twice is harmless, an event counts once. Lines of raw.maillog
    are not replayed: their order among the others decides what they mean; ship the file again.

    \b
    Examples:
      mailsla dead-letters replay --topic mail.mta --dry-run
      mailsla dead-letters replay --ids mail.mta/0/17 --ids mail.mta/2/4
      mailsla dead-letters replay mail.mta/0/17 mail.mta/2/4
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    settings = settings_of(ctx, own_state_file)
    wanted = {*places, *ids}
    found: set[Place] = set()
    passing = 0
    refused: Counter[str] = Counter()
    for block in _blocks(settings, topic, wanted):
        now = datetime.now(UTC)
        checked = [_check(row, now) for row in block]
        records = [each for each in checked if isinstance(each, Record)]
        refused.update(each for each in checked if isinstance(each, str))
        found.update((row["topic"], row["partition"], row["offset"]) for row in block)
        passing += len(records)
        if not dry_run:
            publish(settings, records)
    if missing := wanted - found:
        names = ", ".join("/".join(map(str, place)) for place in sorted(missing))
        raise CheckFailed(f"no dead letter at {names}; see mailsla dead-letters list")
    _report(passing, refused, dry_run)


def _blocks(settings: Settings, topic: str, wanted: set[Place]) -> Iterator[list[Row]]:
    """The chosen dead letters with their bytes, `_AT_ONCE` at a time, in the order of the log."""
    sql = (
        "SELECT topic, partition, offset, value_b64, cityHash64(value_b64) AS bytes "
        f"{_CHOSEN} AND ({{all:Bool}} OR concat(topic, '/', toString(partition), '/',"
        " toString(offset)) IN {places:Array(String)})"
        " AND (topic, partition, offset, bytes) >"
        " ({t:String}, {p:Int32}, {o:Int64}, {b:UInt64})"
        " ORDER BY topic, partition, offset, bytes LIMIT {limit:UInt32}"
    )
    parameters: dict[str, Any] = {
        "topic": topic,
        "reason": "",
        "all": not wanted,
        "places": ["/".join(map(str, place)) for place in wanted],
        "limit": _AT_ONCE,
    }
    after: tuple[str, int, int, int] = ("", -1, -1, 0)
    with reading(settings) as client:
        while True:
            cursor = dict(zip("tpob", after, strict=True))
            block = list(client.query(sql, parameters=parameters | cursor).named_results())
            if not block:
                return
            yield block
            last = block[-1]
            after = (last["topic"], last["partition"], last["offset"], last["bytes"])


def _check(row: Row, now: datetime) -> Record | str:
    """The record to publish, or why it would be refused again.

    The key is the tenant's: the key of the interface, whatever key the record first came under.
    """
    topic, value = row["topic"], b64decode(row["value_b64"])
    checked: Event | Contract | Rejection
    if topic in EVENT_TYPES:
        checked = decode_event(topic, value, now)
    elif topic == CONTRACTS.name:
        checked = decode_contract(value)
    else:
        return f"lines of {topic} are not replayed; ship the file again"
    if isinstance(checked, Rejection):
        return f"{checked.field}: {checked.reason}" if checked.field else checked.reason
    return Record(topic, checked.tenant_id.encode(), value)


def _report(passing: int, refused: Counter[str], dry_run: bool) -> None:
    verb = "would be replayed" if dry_run else "replayed"
    click.echo(f"{passing} pass now and {'' if dry_run else 'were '}{verb}")
    click.echo(f"{refused.total()} are still refused")
    for reason, count in refused.most_common(_REASONS_SHOWN):
        click.echo(f"  {count}  {cell(reason).plain}")


def _table(found: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("place", max_width=32, overflow="fold")
    table.add_column("received", max_width=16)
    table.add_column("field", max_width=16, overflow="fold")
    table.add_column("reason", overflow="fold")
    for row in found:
        table.add_row(
            cell(f"{row['topic']}/{row['partition']}/{row['offset']}"),
            f"{row['received_at']:%Y-%m-%d %H:%M}",
            cell(row["field"]),
            cell(row["reason"]),
        )
    return table
