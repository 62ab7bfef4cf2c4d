"""``mailsla drain``."""

from pathlib import Path

import click

from mailsla.streams.cli.output.progress import progress_display
from mailsla.streams.cli.support.common import settings_of, state_file_option
from mailsla.streams.cli.support.errors import CheckFailed
from mailsla.streams.runtime.kafka.drain import DrainProgress, NotDrainedError
from mailsla.streams.runtime.kafka.drain import drain as wait_until_drained
from mailsla.streams.runtime.waiting import STANDSTILL_S


@click.command()
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    help="Seconds to wait at most.  [as long as there is progress]",
)
@click.option(
    "--standstill",
    type=click.FloatRange(1),
    default=STANDSTILL_S,
    show_default=True,
    help="Seconds without any progress after which to give up.",
)
@state_file_option
@click.pass_context
def drain(
    ctx: click.Context, timeout: float | None, standstill: float, own_state_file: Path | None
) -> None:
    """Wait until everything now in the topics is processed and landed.

    Covers both consumer groups: the live worker's, then the sinks'. Waits as long as there is
    progress; exits 1 on standstill or when the time is up, and says which group stands where.
    """
    settings = settings_of(ctx, own_state_file)
    with progress_display() as display:

        def show(progress: DrainProgress) -> None:
            display.show(progress.stage, progress.done, progress.total)

        try:
            wait_until_drained(settings, timeout, show, standstill)
        except NotDrainedError as error:
            raise CheckFailed(str(error)) from None
