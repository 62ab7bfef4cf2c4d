"""``mailsla simulate``."""

import asyncio
from datetime import date
from pathlib import Path

import click

from mailsla.streams.cli.support.common import MONTH, console, settings_of, state_file_option
from mailsla.streams.simulate.plan import plan
from mailsla.streams.simulate.publish import publish


@click.command()
@click.option("--month", type=MONTH, required=True, help="A past month.")
@click.option("--tenants", default=28, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--messages", default=300_000, show_default=True, type=click.IntRange(0))
@click.option("--seed", default=1, show_default=True, help="Equal seeds give equal records.")
@click.option("--rate", type=click.FloatRange(1), help="Records a second at most; else flat out.")
@state_file_option
@click.pass_context
def simulate(
    ctx: click.Context,
    month: date,
    tenants: int,
    messages: int,
    seed: int,
    rate: float | None,
    own_state_file: Path | None,
) -> None:
    """Publish a simulated month of a provider: traffic, incidents, mistakes, bad records.

    \b
    Example:
      mailsla simulate --month 2026-10 --tenants 28 --messages 300000
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    settings = settings_of(ctx, own_state_file)
    simulated = plan(seed, tenants, f"{month:%Y-%m}", messages)
    out = console(stderr=True)
    with out.status("publishing") as status:

        def show(count: int) -> None:
            status.update(f"{count:,} records published")

        count = asyncio.run(publish(settings, simulated.records(), rate, show))
    out.print(f"{count:,} records published")
