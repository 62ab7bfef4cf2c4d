"""``mailsla demo``: the main job on one machine, from events to a closed month."""

import asyncio
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import click
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from schemas.presentation.language import LANGUAGES
from sinks.clickhouse import Client, connect
from sinks.closing.close import close_month
from sinks.embedded.state_file import State
from sinks.embedded.supervisor import run_stack
from sinks.statement.gather import closed_revisions, gather
from sinks.statement.making import content_of, file_name, write_whole
from sinks.worker import clickhouse_settings
from streams.cli.closing_feed import publish_closings
from streams.cli.common import MONTH, console
from streams.cli.demo_report import DeadLetterCounts, log_table, tenants_table
from streams.cli.up import stack_plan
from streams.runtime.drain import Lag, drain
from streams.settings import Settings, load
from streams.simulate.plan import Plan, plan
from streams.simulate.publish import publish

_EVENTS_PER_MESSAGE: Final = 2.25
"""About how many records one message of the simulation makes; for the progress bar only."""
_DRAIN_S: Final = 300.0


@click.command()
@click.option("--month", type=MONTH, help="The month to live through; default: the last one over.")
@click.option("--tenants", default=28, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--messages", default=300_000, show_default=True, type=click.IntRange(0))
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Data directory; default: a new temporary one.",
)
@click.option("--broker", type=click.Choice(["tansu", "kafka"]), default="tansu", show_default=True)
@click.option("--keep", is_flag=True, help="Stay up afterwards, until Ctrl-C.")
@click.pass_context
def demo(
    ctx: click.Context,
    month: date | None,
    tenants: int,
    messages: int,
    seed: int,
    data: Path | None,
    broker: str,
    keep: bool,
) -> None:
    """Live through a simulated month on this machine, close it, and compare.

    Starts the whole stack, publishes a month of a provider with bursts, slow spells, duplicates,
    disorder, late and bad events, waits until everything has landed, closes the month, shows what
    was injected beside what was found, and writes one customer's statement. Takes under 90 seconds
    on two cores.
    """
    chosen = month or _last_month(datetime.now(UTC).date())
    simulated = plan(seed, tenants, f"{chosen:%Y-%m}", messages)
    directory = data or Path(tempfile.mkdtemp(prefix="mailsla-demo-"))
    stack = stack_plan(directory, broker, state_file=directory / "state.json")

    def main_job(state: State) -> int | None:
        settings = load(kafka=state.kafka, clickhouse=state.clickhouse)
        agreed = _live_and_close(settings, simulated, chosen)
        _write_statement(settings, chosen, directory)
        _say_where(state, directory, keep)
        return None if keep else (0 if agreed else 1)

    ctx.exit(run_stack(stack, main_job))


def _last_month(today: date) -> date:
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def _live_and_close(settings: Settings, simulated: Plan, month: date) -> bool:
    """Publish, drain, close, report; whether everything injected was found."""
    out = console()
    started = time.monotonic()
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<34}"),
        BarColumn(),
        TextColumn("{task.completed:>9,.0f}"),
        TimeElapsedColumn(),
        console=console(stderr=True),
    ) as progress:
        _publish(settings, simulated, progress)
        _drain(settings, progress)
        step = progress.add_task("closing the month", total=1)
        client = connect(clickhouse_settings(settings))
        closings = close_month(client, month)
        publish_closings(settings, client)
        progress.update(step, completed=1)
        _drain(settings, progress)
    truth = simulated.truth
    injected, agreed_tenants = tenants_table(truth, closings, _counted(client, month))
    out.print(injected)
    log, agreed_log = log_table(truth, _found_in_log(client))
    out.print(log)
    out.print(f"{truth.records:,} records in {time.monotonic() - started:.0f} s")
    return agreed_tenants and agreed_log


def _write_statement(settings: Settings, month: date, directory: Path) -> None:
    """The statement of the first tenant to whom something is owed, in both languages."""
    client = connect(clickhouse_settings(settings))
    closed = closed_revisions(client, month)
    chosen = next((one for one in closed if one.verdict == "breached"), closed[0])
    (statement,) = gather(client, month, [chosen])
    for language in LANGUAGES:
        path = directory / file_name(chosen, month, language, "html")
        write_whole(path, content_of(statement, language, "html"))
        console().print(f"statement: {path}", soft_wrap=True)


def _publish(settings: Settings, simulated: Plan, progress: Progress) -> None:
    expected = simulated.messages * _EVENTS_PER_MESSAGE
    step = progress.add_task(f"publishing {len(simulated.tenants)} tenants' month", total=expected)

    def show(count: int) -> None:
        progress.update(step, completed=count, total=max(expected, count))

    count = asyncio.run(publish(settings, simulated.records(), None, show))
    progress.update(step, completed=count, total=count)


def _drain(settings: Settings, progress: Progress) -> None:
    step = progress.add_task("processing and landing", total=None)
    first: list[int] = []

    def show(lag: Lag) -> None:
        first.append(lag.total)
        progress.update(
            step, description=f"{lag.group}: records to go", completed=lag.total, total=max(first)
        )

    drain(settings, _DRAIN_S, show)
    progress.update(step, description="processed and landed", completed=1, total=1)


def _counted(client: Client, month: date) -> dict[str, int]:
    """Messages of each tenant that the closing counted with a latency."""
    rows = client.query(
        "SELECT tenant_id, sum(evidence_count) FROM clause_results(month = {month:Date}) "
        "WHERE indicator IN ('latency.send.mean', 'latency.receive.mean') GROUP BY tenant_id",
        parameters={"month": month},
    ).result_rows
    return {str(tenant): int(count) for tenant, count in rows}


def _found_in_log(client: Client) -> DeadLetterCounts:
    facts = client.query(_FACT_COUNTS).result_rows
    letters = client.query("SELECT count() FROM dead_letters FINAL").result_rows
    return DeadLetterCounts({str(t): int(n) for t, n in facts}, int(letters[0][0]))


_FACT_COUNTS: Final = "\nUNION ALL\n".join(
    f"SELECT 'mail.{name}', count() FROM {name}_events FINAL"  # noqa: S608 - constants
    for name in (
        "mta", "probe", "ops", "antivirus", "backup", "billing", "abuse", "support", "security",
    )
)  # fmt: skip


def _say_where(state: State, directory: Path, keep: bool) -> None:
    out = console()
    out.print(f"data: {directory}")
    if keep:
        out.print(f"kafka {state.kafka}   clickhouse {state.clickhouse}")
        out.print(f"state file: {directory / 'state.json'}; Ctrl-C ends it")
