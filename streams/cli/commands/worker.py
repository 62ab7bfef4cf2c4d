"""``mailsla worker``."""

import time
from pathlib import Path
from typing import Final

import click

from mailsla.streams.cli.support.common import settings_of, state_file_option
from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.metrics.health import Health
from mailsla.streams.runtime.faust_app.restart import restart
from mailsla.streams.runtime.logs import set_up_logging
from mailsla.streams.runtime.redaction import redact_logs
from mailsla.streams.settings import ConfigurationError, Settings


@click.command()
@click.argument("kind", type=click.Choice(["streams", "sinks", "web", "notify", "closer"]))
@state_file_option
@click.pass_context
def worker(ctx: click.Context, kind: str, own_state_file: Path | None) -> None:
    """Run one worker process in the foreground.

    Any number of workers of a kind share the partitions. `streams` keeps the windows and
    publishes results; `sinks` lands everything in ClickHouse and goes on retrying while it is
    away. `web` serves the read-only page at MAILSLA_WEB_HOST and MAILSLA_WEB_PORT. `notify`
    delivers the routes of MAILSLA_NOTIFY_ROUTES. `closer` closes each month, as mailsla close does,
    MAILSLA_CLOSE_AFTER_H after its end. SIGTERM ends a worker after a last checkpoint.

    Each serves /metrics (OpenMetrics), /live and /ready at MAILSLA_METRICS_HOST and
    MAILSLA_METRICS_PORT, by default at a free port of loopback, which its log names.

    Exit codes beyond 0: 1 when nothing was committed for MAILSLA_WATCHDOG_S (start it again), 2 for
    wrong settings, 3 when it cannot go on until somebody acts (leave it down); the last line of its
    log says why.
    """
    settings = settings_of(ctx, own_state_file)
    set_up_logging(settings.log_level, settings.log_format)
    redact_logs(settings)
    try:
        _RUN[kind](settings)
    except (ConfigurationError, CommandError):
        raise  # what only a person can mend: said in a sentence, and the worker stays down
    except Exception as error:
        restart(f"the worker did not start: {error!r}", error)


def _run_streams(settings: Settings) -> None:
    from mailsla.streams.live.application import build_live
    from mailsla.streams.live.topics import live_topics
    from mailsla.streams.runtime.faust_app.process import (
        run,
        wait_for_broker,
        wait_for_topics,
        wait_for_transactions,
        wait_until_taken,
    )

    health = _observed(settings, "streams")
    wait_for_broker(settings)
    wait_for_topics(settings, live_topics(settings))
    transactions = wait_for_transactions(settings)
    if transactions:  # without them the try would stay in the log
        wait_until_taken(settings)
    app = build_live(settings, transactions)
    app.health = health
    run(app, settings)


def _run_sinks(settings: Settings) -> None:
    from mailsla.sinks.landing.landing import LANDED_TOPICS
    from mailsla.sinks.landing.metrics import LandingCollector, LandingMetrics
    from mailsla.sinks.worker import build_sinks
    from mailsla.streams.metrics.names import REGISTRY
    from mailsla.streams.runtime.faust_app.process import (
        run,
        wait_for_broker,
        wait_for_topics,
        wait_for_transactions,
    )

    health, metrics = _observed(settings, "sinks"), LandingMetrics()
    REGISTRY.register(LandingCollector(metrics))
    wait_for_broker(settings)
    wait_for_topics(settings, LANDED_TOPICS)
    app = build_sinks(settings, wait_for_transactions(settings), metrics)
    app.health = health
    run(app, settings)


def _run_web(settings: Settings) -> None:
    from mailsla.sinks.worker import clickhouse_settings
    from mailsla.streams.web.server import serve

    serve(settings, clickhouse_settings(settings), _observed(settings, "web"))


def _run_notify(settings: Settings) -> None:
    from mailsla.streams.cli.commands.notify import routes_of
    from mailsla.streams.notify.worker import run_notify

    run_notify(settings, routes_of(settings), _observed(settings, "notify"))


def _run_closer(settings: Settings) -> None:
    from mailsla.schemas.topics import CLOSINGS
    from mailsla.sinks.closer import run_closer
    from mailsla.sinks.closing.run.landed_month import LONGEST_QUERY_S
    from mailsla.sinks.worker import clickhouse_settings
    from mailsla.streams.runtime.faust_app.process import wait_for_broker, wait_for_topics

    health = _observed(settings, "closer")
    wait_for_broker(settings)
    wait_for_topics(settings, (CLOSINGS.name,))
    run_closer(settings, clickhouse_settings(settings, LONGEST_QUERY_S), health)


_RUN: Final = {
    "streams": _run_streams, "sinks": _run_sinks, "web": _run_web, "notify": _run_notify,
    "closer": _run_closer,
}  # fmt: skip


def _observed(settings: Settings, kind: str) -> Health:
    """Begin to serve this worker's metrics and health, before it waits for anything."""
    from mailsla.streams.metrics.server import serve_metrics

    health = Health(kind, consumes=kind not in {"web", "closer"}, moved_at=time.monotonic())
    serve_metrics(settings, health)
    return health
