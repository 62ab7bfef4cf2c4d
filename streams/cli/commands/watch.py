"""``mailsla watch``: the breach feed in a terminal."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from mailsla.schemas.indicators import INDICATORS
from mailsla.schemas.presentation.feed import condensed
from mailsla.schemas.results import BreachEvent
from mailsla.streams.cli.output.feed_lines import day_line, heading, line
from mailsla.streams.cli.support.breach_feed_reader import Feed
from mailsla.streams.cli.support.clickhouse_reading import reading
from mailsla.streams.cli.support.common import console, settings_of, state_file_option
from mailsla.streams.cli.support.errors import suggestion
from mailsla.streams.cli.support.known import check_tenants
from mailsla.streams.cli.support.ops_events import InstantType
from mailsla.streams.notify.events import News, read_news
from mailsla.streams.settings import ConfigurationError, Settings

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SinceType(InstantType):
    """A point in time: RFC 3339, so long ago, or the beginning."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The time in UTC."""
        if value == "beginning":
            return _BEGINNING
        amount, unit = str(value)[:-1], str(value)[-1:]
        if amount.isascii() and amount.isdigit() and len(amount) < 8 and unit in _UNITS:
            ago = timedelta(seconds=int(amount) * _UNITS[unit])
            return max(_BEGINNING, datetime.now(UTC) - ago)
        return super().convert(value, param, ctx)


@click.command()
@click.option("--tenant", "tenants", multiple=True, help="Only of this tenant; may be repeated.")
@click.option(
    "--indicator",
    "indicators",
    multiple=True,
    help="Only of this indicator, or of all whose id begins so: latency; may be repeated.",
)
@click.option(
    "--since",
    type=SinceType(),
    help="First what was told since then: 2026-10-03T02:00:00+08:00, 90m, 36h, 7d, beginning."
    "  [now; with --until-end the beginning]",
)
@click.option("--until-end", "--once", is_flag=True, help="Stop at the end of what is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the CloudEvents, one a line.")
@state_file_option
@click.pass_context
def watch(
    ctx: click.Context,
    tenants: tuple[str, ...],
    indicators: tuple[str, ...],
    since: datetime | None,
    until_end: bool,
    as_json: bool,
    own_state_file: Path | None,
) -> None:
    """Follow the breach feed (sla.breaches) until Ctrl-C, one line per cause.

    Told are, in columns: when it happened, in this machine's local time, under its date and zone;
    the tenant, or how many tenants a fault of the platform concerns; what became of the
    indicator; the indicator, with what was observed and, in brackets, what was promised. Where
    there is room, also the month, and how many events or outages are named as evidence. --json
    prints every event whole.

    \b
    at risk    close to its limit           breached   cannot be undone by time
    failing    missed now, may recover      withdrawn  an exclusion took a breach back
    recovered  in order again               burning    a budget is spent too fast

    An event that is delivered twice is shown once. The events of an indicator come in order.

    \b
    Examples:
      mailsla watch
      mailsla watch --tenant acme --since 7d
      mailsla watch --indicator connectivity --indicator latency.exceedances
      mailsla watch --until-end --json | jq 'select(.type == "sla.indicator.breached")'
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    _check_indicators(indicators)
    settings = settings_of(ctx, own_state_file)
    _check_names(settings, tenants)
    start = since or (_BEGINNING if until_end else None)
    screen = _Screen(console())
    seen: set[str] = set()
    with suppress(KeyboardInterrupt), Feed(settings) as feed:
        batches = feed.batches(start, until_end)
        if not as_json:
            screen.begin()
        for batch in batches:
            chosen = list(_chosen(batch, seen, tenants, indicators))
            if as_json:
                for news, _ in chosen:
                    click.echo(news.value)
            else:
                screen.show([(event, news.cause) for news, event in chosen])


class _Screen:
    """Prints lines under the date of their day."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._width = out.width
        self._day: date | None = None

    def begin(self) -> None:
        self._out.print(heading(self._width), soft_wrap=True)

    def show(self, events: Sequence[tuple[BreachEvent, str | None]]) -> None:
        for told in condensed(events):
            at = told.event.data.event_time.astimezone()
            if at.date() != self._day:
                self._day = at.date()
                self._out.print(day_line(at), soft_wrap=True)
            self._out.print(line(told, at, self._width), soft_wrap=True)


def _check_indicators(indicators: tuple[str, ...]) -> None:
    """Refuse what is neither an indicator nor the beginning of one."""
    for name in indicators:
        if not any(_within(indicator, name) for indicator in INDICATORS):
            beginnings = {indicator.partition(".")[0] for indicator in INDICATORS}
            meant = suggestion(name, [*INDICATORS, *beginnings])
            raise click.UsageError(f"no indicator is or begins with {name}{meant}")


def _check_names(settings: Settings, tenants: tuple[str, ...]) -> None:
    """Refuse a tenant whom nobody knows; without ClickHouse the feed is read all the same."""
    if not tenants:
        return
    try:
        with reading(settings) as client:
            check_tenants(client, tenants)
    except ConfigurationError:
        click.echo("the tenants' names were not checked: ClickHouse does not answer", err=True)


def _chosen(
    records: Sequence[bytes],
    seen: set[str],
    tenants: tuple[str, ...],
    indicators: tuple[str, ...],
) -> Iterator[tuple[News, BreachEvent]]:
    """The events asked for that were not seen before."""
    for value in records:
        news = read_news(value)
        if news is None or not isinstance(event := news.event, BreachEvent):
            click.echo("a record that is no event of the feed was left out", err=True)
            continue
        if event.id in seen:
            continue
        if tenants and event.subject not in tenants:
            continue
        if indicators and not any(_within(event.data.indicator, each) for each in indicators):
            continue
        seen.add(event.id)
        yield news, event


def _within(indicator: str, chosen: str) -> bool:
    return indicator == chosen or indicator.startswith(f"{chosen}.")
