"""``mailsla worker``."""

import asyncio
import logging
from pathlib import Path

import click

from streams.cli.common import settings_of, state_file_option
from streams.runtime.redaction import redact_logs
from streams.settings import Settings


@click.command()
@click.argument("kind", type=click.Choice(["streams", "sinks", "web"]))
@state_file_option
@click.pass_context
def worker(ctx: click.Context, kind: str, own_state_file: Path | None) -> None:
    """Run one worker process in the foreground.

    Any number of workers of a kind share the partitions. `streams` keeps the windows and
    publishes results; `sinks` lands everything in ClickHouse and goes on retrying while it is
    away. `web` serves the read-only page at MAILSLA_WEB_HOST and MAILSLA_WEB_PORT. SIGTERM ends a
    worker after a last checkpoint.
    """
    settings = settings_of(ctx, own_state_file)
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    redact_logs(settings)
    if kind == "streams":
        _run_streams(settings)
    elif kind == "sinks":
        _run_sinks(settings)
    else:
        _run_web(settings)


def _run_streams(settings: Settings) -> None:
    from streams.live.worker import build_live
    from streams.runtime.run import run, wait_for_broker

    wait_for_broker(settings)
    run(build_live(settings, _transactions(settings)), settings)


def _run_sinks(settings: Settings) -> None:
    from sinks.worker import build_sinks
    from streams.runtime.run import run, wait_for_broker

    wait_for_broker(settings)
    run(build_sinks(settings, _transactions(settings)), settings)


def _run_web(settings: Settings) -> None:
    from sinks.worker import clickhouse_settings
    from streams.web.server import serve

    serve(settings, clickhouse_settings(settings))


def _transactions(settings: Settings) -> bool:
    """Whether checkpoints are Kafka transactions: as configured, else as the broker can."""
    from streams.runtime.delivery import supports_transactions

    if settings.delivery == "auto":
        return asyncio.run(supports_transactions(settings))
    return settings.delivery == "transactions"
