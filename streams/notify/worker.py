"""The notify worker: every route at the same time, none of them in another's way."""

import asyncio
import signal
from collections.abc import Sequence
from datetime import UTC, datetime

import aiohttp
import orjson

from mailsla.schemas.contract import DEFAULT_TIMEZONE
from mailsla.schemas.indicators import INDICATORS
from mailsla.streams.metrics.health import Health
from mailsla.streams.metrics.sampling import BEAT_S, beat
from mailsla.streams.notify.events import News, read_news
from mailsla.streams.notify.routes import Route
from mailsla.streams.notify.runner import Runner
from mailsla.streams.notify.senders import sender
from mailsla.streams.runtime.faust_app.notices import BROKER, Notice
from mailsla.streams.settings import Settings


def run_notify(settings: Settings, routes: Sequence[Route], health: Health) -> None:
    """Deliver every route until SIGTERM or SIGINT; raises `ConfigurationError` for a secret."""
    asyncio.run(_run(settings, routes, health))


async def _run(settings: Settings, routes: Sequence[Route], health: Health) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with aiohttp.ClientSession() as session:
        runners = [Runner(route, settings, sender(route, session)) for route in routes]
        noting = _note(runners, health, settings.kafka)
        beside = [asyncio.create_task(beat(health)), asyncio.create_task(noting)]
        await asyncio.gather(*(runner.run(stop) for runner in runners))
    for task in beside:
        task.cancel()


async def _note(runners: Sequence[Runner], health: Health, kafka: str) -> None:
    """Ready is a worker whose every route has partitions; that none reaches a broker is said."""
    broker = Notice(BROKER)
    while True:
        connected = [runner.is_connected for runner in runners]
        if True in connected:
            broker.good()
        elif False in connected:
            broker.bad(f"no connection to {kafka}")
        held = [runner.partitions for runner in runners]
        health.partitions = sum(held) if all(held) else 0
        await asyncio.sleep(BEAT_S)


def send_test(route: Route) -> None:
    """Send an event that says it is a test; raises `Away`, `Refused` or `ConfigurationError`."""

    async def send() -> None:
        async with aiohttp.ClientSession() as session:
            await sender(route, session)([sample_news(datetime.now(UTC))])

    asyncio.run(send())


def sample_news(now: datetime) -> News:
    """An event as the feed has them, of a tenant that is called test."""
    indicator = INDICATORS["connectivity.downtime"]
    stamp = f"{now:%Y-%m-%dT%H:%M:%S}Z"
    value = orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"test-{now:%Y%m%dT%H%M%S%f}",
            "source": "mailsla/notify/test",
            "type": "sla.indicator.at_risk",
            "subject": "test",
            "time": stamp,
            "datacontenttype": "application/json",
            "data": {
                "tenant_id": "test",
                "contract_version": 0,
                "section": indicator.section,
                "indicator": indicator.id,
                "period": f"{now:%Y-%m}",
                "state": "at_risk",
                "observed": 2400,
                "target": 2640,
                "comparator": "<",
                "unit": "s",
                "remedy": "double_service",
                "sequence": 0,
                "evidence": [f"a test of {DEFAULT_TIMEZONE} at {stamp}"],
                "profile": "default/1",
                "event_time": stamp,
            },
        }
    )
    news = read_news(value)
    if news is None:
        raise ValueError("the test event does not fit the feed's model; mend it")
    return news
