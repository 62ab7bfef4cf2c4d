"""``mailsla drain``."""

from pathlib import Path

import click

from streams.cli.common import settings_of, state_file_option
from streams.cli.errors import CheckFailed
from streams.cli.progress import Steps
from streams.runtime.drain import DrainTimeout, Lag
from streams.runtime.drain import drain as wait_until_drained


@click.command()
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait at most.")
@state_file_option
@click.pass_context
def drain(ctx: click.Context, timeout: float, own_state_file: Path | None) -> None:
    """Wait until everything now in the topics is processed and landed.

    Covers both consumer groups: the live worker's, then the sinks'. Exits 1 when the time is up.
    """
    settings = settings_of(ctx, own_state_file)
    with Steps() as steps:
        step = steps.begin("draining")
        most = 0

        def show(lag: Lag) -> None:
            nonlocal most
            most = max(most, lag.total)
            step.name = f"{lag.group}: processed of what waits"
            step.at(most - lag.total, most)

        try:
            wait_until_drained(settings, timeout, show)
        except DrainTimeout as error:
            raise CheckFailed(str(error)) from None
        step.name = "drained"
        step.done(most)
