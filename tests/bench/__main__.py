"""``python -m tests.bench [NAME …]``."""

import os
import platform
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from types import FrameType

import click

from mailsla.sinks.embedded.brokers.broker import BrokerKind
from mailsla.sinks.embedded.errors import StackError
from tests.bench.options import FULL, QUICK, BenchError, Options
from tests.bench.report import note

NAMES = (
    "streams", "sinks", "codec", "closing", "statements", "latency",
    "disorder", "contracts", "flood", "month", "busy", "pressure",
)  # fmt: skip


def _run_of(name: str) -> Callable[[Options], None]:
    run: Callable[[Options], None] = import_module(f"tests.bench.{name}").run
    return run


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit("stopped")  # unwinds, so that processes and directories are gone


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--quick", is_flag=True, help="Small sizes: to try a program, not to quote.")
@click.option("--broker", type=click.Choice(["kafka", "tansu"]), default="kafka", show_default=True)
@click.option("--rounds", type=click.IntRange(1), help=f"Turns of everybody.  [{FULL.rounds}]")
@click.option("--events", type=click.IntRange(1_000), help="In the topics.  [each its own]")
@click.option(
    "--seconds",
    type=click.FloatRange(1),
    help=f"At most for each program and round; latency is measured so long.  [{FULL.seconds:.0f}]",
)
@click.option("--tenants", type=click.IntRange(1, 1_000_000), help="Tenants.  [each its own]")
@click.option("--facts", type=click.IntRange(1), help=f"Message facts closed.  [{FULL.facts:,}]")
@click.option("--statements", type=click.IntRange(10, 99_999), help=f"[{FULL.statements:,}]")
@click.option(
    "--rate", type=click.FloatRange(1), help="Load in events/s.  [70 % of what was measured]"
)
def main(names: tuple[str, ...], quick: bool, broker: BrokerKind, **sizes: float | None) -> None:
    """Measure side by side, in one run, and print ratios; without a NAME everything.

    \b
    streams  the live worker, against bare aiokafka reading and idiomatic Faust
             (one event at a time, in a dict and in a Table)
    sinks    the sinks worker, against a consumer that inserts JSONEachRow
    codec    decoding of batches, against pydantic by record and orjson alone
    closing  a month of 10,000 tenants over 10,000,000 messages, against counting
             them in plain SQL: time, memory
    statements  1,000 customers' statements of a closed month, as HTML
    latency  at 70 % of what the worker sustains: from an event sent to the window
             that counts it, and to the breach a subscriber reads
    disorder  the live worker when topics or sources are late, against all in order
    contracts  the live worker under contracts and late exclusions, against none
    flood    the live worker against bare aiokafka; 100,000 tenants against 500:
             rate, memory, recovery
    month    a simulated month of everything: events per second of processor time
    busy     mailsla demo beside a loop on every processor, against a quiet machine
    pressure  the live worker with a fifth of a processor, beside many loops, and with
             a rebalance every 10 s

    All but codec, closing and statements run on Apache Kafka (Java and Maven), or on --broker
    tansu. Start-up takes no part in rates. Run it on a machine that does nothing else. --facts is
    for closing, --statements for statements, --rate for latency, --seconds for streams, sinks,
    flood and latency; --events and --tenants for whichever has them.
    """
    given = {name: value for name, value in sizes.items() if value is not None}
    options = replace(QUICK if quick else FULL, broker=broker, **given)  # type: ignore[arg-type]
    signal.signal(signal.SIGTERM, _stop)
    note(
        f"{datetime.now(UTC):%Y-%m-%d} · Python {platform.python_version()} · "
        f"{os.cpu_count()} processors, {platform.machine()} · {options}"
    )
    for name in names or NAMES:
        try:
            _run_of(name)(options)
        except (BenchError, StackError) as error:
            raise click.ClickException(f"{name}: {error}") from None


if __name__ == "__main__":
    main(prog_name="python -m tests.bench")
