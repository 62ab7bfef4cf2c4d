"""``mailsla calendar``: publish and show working days of one's own."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import orjson
from rich.table import Table

from mailsla.schemas.calendars import OFFICIAL, WorkingCalendar, last_official_year
from mailsla.schemas.topics import CALENDARS
from mailsla.streams.cli.output.clickhouse_output import cell, show_json, show_table
from mailsla.streams.cli.support.breach_feed_reader import Feed
from mailsla.streams.cli.support.calendar_files import Heading, read_calendars
from mailsla.streams.cli.support.clickhouse_reading import rows
from mailsla.streams.cli.support.common import settings_of, state_file_option
from mailsla.streams.cli.support.errors import CheckFailed, CommandError
from mailsla.streams.cli.support.kafka_publish import Record, publish
from mailsla.streams.settings import Settings

_FILES = click.Path(path_type=Path, dir_okay=False)
_BEGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)

_LANDED: Final = """
SELECT argMax(document, _version) AS document
FROM calendars
WHERE {name:String} IN ('', calendar)
GROUP BY calendar
ORDER BY calendar
"""


@click.group()
def calendar() -> None:
    """Publish and show calendars: the working days by which deadlines of section 4 run.

    A contract names its calendar: CN (the official Chinese one), a week such as MON-FRI or
    SUN-THU, or one that is published here.

    \b
    Examples:
      mailsla calendar apply acme.yaml
      mailsla calendar apply holidays.ics --name acme --version 2 --complete-for 2027
      mailsla calendar show acme
    """  # noqa: D301 - \b is click's mark for text to leave as it is


@calendar.command()
@click.argument("files", nargs=-1, required=True, type=_FILES)
@click.option("--name", help="iCalendar: the calendar's name; else the file's own.")
@click.option("--version", type=click.IntRange(1), help="iCalendar: counts up with every change.")
@click.option("--week", default="MON-FRI", show_default=True, help="iCalendar: the working week.")
@click.option(
    "--complete-for", "years", type=int, multiple=True,
    help="iCalendar: a year of which every holiday is in the file; may be repeated.",
)  # fmt: skip
@state_file_option
@click.pass_context
def apply(
    ctx: click.Context,
    files: tuple[Path, ...],
    name: str | None,
    version: int | None,
    week: str,
    years: tuple[int, ...],
    own_state_file: Path | None,
) -> None:
    """Publish the calendars of FILES on sla.calendars: all of them, or none if one is not valid.

    A file is YAML or JSON with the fields calendar (its name), version, week, holidays,
    working_days (extra ones) and complete_for (a list of years); or iCalendar (.ics) with events
    of whole days: holidays, and extra working days where an event has the category WORKDAY. A
    calendar replaces the former one of its name; closed months keep the days they were judged by.

    \b
    Example:
      mailsla calendar apply acme.yaml
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    documents, problems = read_calendars(files, Heading(name, version, week, years))
    if problems:
        for problem in problems:
            click.echo(str(problem), err=True)
        raise CommandError("nothing was published; mend the calendars and apply them again")
    records = [
        Record(CALENDARS.name, each.calendar.calendar.encode(), each.value) for each in documents
    ]
    publish(settings_of(ctx, own_state_file), records)
    for each in documents:
        click.echo(_headline(each.calendar))


@calendar.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_file_option
@click.pass_context
def show(ctx: click.Context, name: str | None, as_json: bool, own_state_file: Path | None) -> None:
    """Show the calendars that have landed, or the days of the one called NAME.

    \b
    Examples:
      mailsla calendar show
      mailsla calendar show acme --json
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    found = [
        WorkingCalendar.model_validate(orjson.loads(row["document"]))
        for row in rows(settings_of(ctx, own_state_file), _LANDED, {"name": name or ""})
    ]
    if name is not None and not found:
        raise CheckFailed(
            f"no calendar {name} has landed; publish it with mailsla calendar apply, or wait with "
            "mailsla drain"
        )
    if as_json:
        show_json([each.model_dump(mode="json") for each in found])
    elif name is None:
        show_table(_overview(found))
    else:
        click.echo(_headline(found[0]))
        for title, days in (("free", found[0].holidays), ("worked", found[0].working_days)):
            for day in sorted(days):
                click.echo(f"  {day:%Y-%m-%d %a}  {title}")


def published_names(settings: Settings) -> set[str]:
    """The names of the calendars on ``sla.calendars``, landed or not; raises as `Feed`."""
    with Feed(settings, CALENDARS.name) as records:
        return {str(orjson.loads(value).get("calendar")) for value in records.records(_BEGIN, True)}


def _headline(one: WorkingCalendar) -> str:
    years = ", ".join(str(year) for year in sorted(one.complete_for))
    return (
        f"{one.calendar} version {one.version}: {one.week}, {len(one.holidays)} holidays, "
        f"{len(one.working_days)} extra working days, complete for {years}"
    )


def _overview(found: list[WorkingCalendar]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("calendar", "version", "week", "holidays", "extra", "complete for"):
        table.add_column(title, overflow="fold")
    table.add_row(OFFICIAL, "-", "MON-FRI", "-", "-", f"2004 to {last_official_year()}")
    for one in found:
        years = ", ".join(str(year) for year in sorted(one.complete_for))
        counts = (str(len(one.holidays)), str(len(one.working_days)))
        table.add_row(cell(one.calendar), str(one.version), one.week, *counts, years)
    return table
