"""``mailsla demo``: the main job on one machine, from events to a closed month."""

import asyncio
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from mailsla.schemas.presentation.language import LANGUAGES
from mailsla.sinks.clickhouse import Client, connect
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.closing_feed import publish_closings
from mailsla.sinks.embedded.state_file import StackState
from mailsla.sinks.embedded.supervisor import run_stack
from mailsla.sinks.statement.facts.gather import closed_revisions, gather
from mailsla.sinks.statement.making import content_of, file_name, write_whole
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.commands.up import stack_plan
from mailsla.streams.cli.output.demo_report import (
    DeadLetterCounts,
    Statements,
    in_short,
    log_table,
    show_end,
    show_places,
    tenants_table,
)
from mailsla.streams.cli.output.progress import ProgressDisplay, progress_display
from mailsla.streams.cli.support.common import MONTH, console
from mailsla.streams.cli.support.errors import CheckFailed, CommandError
from mailsla.streams.runtime.kafka.drain import DrainProgress, NotDrainedError, drain
from mailsla.streams.settings import ConfigurationError, Settings, load
from mailsla.streams.simulate.plan import SimulationPlan, plan
from mailsla.streams.simulate.publish import publish

_RECORDS_PER_MESSAGE: Final = 2.01
_THIN_RECORDS: Final = 46_000
_THIN_RECORDS_PER_TENANT: Final = 1_000
"""About how many records a simulated month has; for the progress only."""


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
    on two cores. With --keep the stack stays up, also when something went wrong.
    """
    chosen = month or _last_month(datetime.now(UTC).date())
    simulated = plan(seed, tenants, f"{chosen:%Y-%m}", messages)
    directory = data or Path(tempfile.mkdtemp(prefix="mailsla-demo-"))
    stack = stack_plan(directory, broker, state_file=directory / "state.json")

    def main_job(state: StackState) -> int | None:
        settings = load(**state.access())
        try:
            agreed = _live_and_close(settings, simulated, chosen)
            statements = _write_statements(settings, chosen, directory)
        except (CommandError, ConfigurationError) as error:
            failed = _failure(error, directory)
            if not keep:
                raise failed from None
            click.echo(f"mailsla: {failed}", err=True)
            show_places(state, directory, kept=True)
            return None
        show_end(state, directory, chosen, statements, kept=keep)
        return None if keep else (0 if agreed else CheckFailed.exit_code)

    ctx.exit(run_stack(stack, main_job))


def _failure(error: Exception, directory: Path) -> CheckFailed:
    """What went wrong, where it is to be seen, and what to do."""
    return CheckFailed(
        f"{error}; the logs in {directory / 'logs'} say why; "
        "try again with fewer --messages, or look on with --keep"
    )


def _last_month(today: date) -> date:
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def _live_and_close(settings: Settings, simulated: SimulationPlan, month: date) -> bool:
    """Publish, drain, close, report; whether everything injected was found."""
    out = console()
    started = time.monotonic()
    with progress_display() as display:
        _publish(settings, simulated, display)
        _drain(settings, display, "events")
        client = connect(clickhouse_settings(settings))
        display.show("closing the month", 0, None)
        closings = close_month(client, month)
        publish_closings(settings, client)
        _drain(settings, display, "closings")
    truth = simulated.truth
    injected, agreed_tenants = tenants_table(truth, closings)
    out.print(injected)
    log, agreed_log = log_table(truth, _found_in_log(client))
    out.print(log)
    out.print(f"{truth.records:,} records in {time.monotonic() - started:.0f} s\n")
    for line in in_short(closings):
        out.print(line, highlight=False)
    return agreed_tenants and agreed_log


def _write_statements(settings: Settings, month: date, directory: Path) -> Statements:
    """The statement of the first tenant to whom something is owed, in both languages."""
    client = connect(clickhouse_settings(settings))
    closed = closed_revisions(client, month)
    chosen = next((one for one in closed if one.verdict == "breached"), closed[0])
    (statement,) = gather(client, month, [chosen])
    paths = []
    for language in LANGUAGES:
        path = directory / file_name(chosen, month, language, "html")
        write_whole(path, content_of(statement, language, "html"))
        paths.append(path)
    broken = [item.indicator for item in statement.items if item.verdict == "breached"]
    return Statements(chosen.tenant_id, (broken or ["connectivity.ratio"])[0], tuple(paths))


def _publish(settings: Settings, simulated: SimulationPlan, display: ProgressDisplay) -> None:
    tenants = len(simulated.tenants)
    stage = f"publishing {tenants} tenants' month"
    thin = _THIN_RECORDS + _THIN_RECORDS_PER_TENANT * tenants
    expected = thin + int(simulated.messages * _RECORDS_PER_MESSAGE)

    def show(count: int) -> None:
        # How many it will be is known at the end alone: until then, always a little more.
        display.show(stage, count, max(expected, count + count // 20 + 1))

    count = asyncio.run(publish(settings, simulated.records(), None, show))
    display.show(stage, count, count)


def _drain(settings: Settings, display: ProgressDisplay, what: str) -> None:
    """Wait for both workers, as long as they get on with it.

    Raises:
        CheckFailed: they stand still.
    """

    def show(progress: DrainProgress) -> None:
        display.show(f"{progress.stage} ({what})", progress.done, progress.total)

    try:
        drain(settings, None, show)
    except NotDrainedError as error:
        raise CheckFailed(str(error)) from None


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
