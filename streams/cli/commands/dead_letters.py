"""``mailsla dead-letters``: what could not be accepted and why; replay after a fix."""

from base64 import b64decode
from collections import Counter
from collections.abc import Container
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import orjson
from rich.table import Table

from mailsla.schemas.codec.printable import printable
from mailsla.schemas.codec.records import HELD_BACK, Rejection, decode_contract, decode_event
from mailsla.schemas.contract import Contract
from mailsla.schemas.envelope import Event
from mailsla.schemas.registry import EVENT_TYPES
from mailsla.schemas.topics import CONTRACTS
from mailsla.streams.cli.output.clickhouse_output import cell, show_json, show_table
from mailsla.streams.cli.output.dead_letter_reading import (
    Choice,
    Place,
    at_place,
    blocks,
    choice_options,
    latest,
    summary,
    with_contract,
)
from mailsla.streams.cli.support.clickhouse_reading import Row
from mailsla.streams.cli.support.common import settings_of, state_file_option
from mailsla.streams.cli.support.errors import CheckFailed
from mailsla.streams.cli.support.kafka_publish import Record, publish

_REASONS_SHOWN: Final = 5


@click.group()
def dead_letters() -> None:
    """What could not be accepted, with the reason and the original bytes.

    \b
    Examples:
      mailsla dead-letters list --topic mail.mta
      mailsla dead-letters replay --dry-run
    """  # noqa: D301 - \b is click's mark for text to leave as it is


@dead_letters.command("list")
@choice_options
@click.option("--summary", "summed", is_flag=True, help="Only how many of each kind of reason.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="At most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the bytes as value_b64.")
@state_file_option
@click.pass_context
def list_(
    ctx: click.Context,
    /,
    summed: bool,
    limit: int,
    as_json: bool,
    own_state_file: Path | None,
    **chosen: Any,
) -> None:
    """List dead letters, the latest first.

    `place` is topic/partition/offset of the record that was refused; times are UTC. They are kept
    90 days.

    \b
    Examples:
      mailsla dead-letters list --topic mail.mta --reason clock
      mailsla dead-letters list --tenant acme --since 2026-10-20T00:00:00Z
      mailsla dead-letters list --summary
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    settings, choice = settings_of(ctx, own_state_file), Choice(**chosen)
    if summed:
        kinds = summary(settings, choice)
        if as_json:
            show_json(kinds)
        else:
            show_table(_summary_table(kinds))
        return
    found, total = latest(settings, choice, limit)
    if as_json:
        show_json(found)
        return
    if found:
        show_table(_table(found))
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
@click.argument("place", type=_PLACE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the bytes as value_b64.")
@state_file_option
@click.pass_context
def show(ctx: click.Context, place: Place, as_json: bool, own_state_file: Path | None) -> None:
    """Show one dead letter: why it was refused, whether it would pass now, and its bytes.

    Bytes that are no text are shown escaped; --json has them as they are.

    \b
    Example:
      mailsla dead-letters show mail.mta/0/17
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    settings = settings_of(ctx, own_state_file)
    found = at_place(settings, place)
    if not found:
        name = "/".join(map(str, place))
        raise CheckFailed(f"no dead letter at {name}; see mailsla dead-letters list")
    if as_json:
        show_json(found)
        return
    known = with_contract(settings)
    for row in found:
        checked = _check(row, datetime.now(UTC), known)
        now = "it passes now" if isinstance(checked, Record) else f"still refused: {checked}"
        for name, value in (
            ("received", cell(row["received_at"]).plain),
            ("field", cell(row["field"]).plain),
            ("reason", cell(row["reason"]).plain),
            ("now", cell(now).plain),
        ):
            click.echo(f"{name:<9} {value}")
        click.echo(f"\n{_readable(b64decode(row['value_b64']))}\n")


def _readable(value: bytes) -> str:
    """JSON laid out, other text as it is, all of it harmless to a terminal."""
    try:
        laid_out = orjson.dumps(orjson.loads(value), option=orjson.OPT_INDENT_2)
    except orjson.JSONDecodeError:
        laid_out = value
    return printable(laid_out.decode("utf-8", "backslashreplace"))


@dead_letters.command()
@click.argument("places", nargs=-1, type=_PLACE, metavar="[PLACE]...")
@choice_options
@click.option("--ids", multiple=True, type=_PLACE, help="Only this one; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Only say what would pass now.")
@state_file_option
@click.pass_context
def replay(
    ctx: click.Context,
    /,
    places: tuple[Place, ...],
    ids: tuple[Place, ...],
    dry_run: bool,
    own_state_file: Path | None,
    **chosen: Any,
) -> None:
    """Publish again, unchanged, the records that pass now, under their tenant's key.

    What is still refused is counted with the reason and left alone: it would only come back as
    another dead letter. Replaying twice is harmless, an event counts once. What is quarantined
    passes once a contract names its tenant. Lines of raw.maillog are not replayed: their order
    among the others decides what they mean; ship the file again.

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
    known = with_contract(settings)
    for block in blocks(settings, Choice(**chosen), wanted):
        now = datetime.now(UTC)
        checked = [_check(row, now, known) for row in block]
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


def _check(row: Row, now: datetime, known: Container[str]) -> Record | str:
    """The record to publish, or why it would be refused again.

    The key is the tenant's: the key of the interface, whatever key the record first came under.

    Args:
        row: a dead letter.
        now: the time.
        known: the tenants that a contract names.

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
    if str(row["reason"]).startswith(HELD_BACK) and checked.tenant_id not in known:
        return f"{HELD_BACK}: no contract names the tenant; see mailsla contract apply"
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


def _summary_table(kinds: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("records", justify="right")
    table.add_column("topic")
    table.add_column("field", max_width=16, overflow="fold")
    table.add_column("last", max_width=16)
    table.add_column("such as", overflow="fold")
    for row in kinds:
        table.add_row(
            str(row["records"]),
            cell(row["topic"]),
            cell(row["field"]),
            f"{row['last']:%Y-%m-%d %H:%M}",
            cell(row["such_as"]),
        )
    return table
