"""The closer worker: closes each month, for everybody, some time after it has ended.

What is closed stands in the books alone, so a closer that was killed goes on where the books end.
It closes a tenant's month once; what lands later is taken up by whoever closes the month again.
"""

import asyncio
import logging
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka.errors import KafkaError

from mailsla.schemas.results import Closing
from mailsla.sinks.clickhouse import ClickHouseSettings, Client, connect
from mailsla.sinks.closing.errors import ClosingError, TenantFailure, log_failure
from mailsla.sinks.closing.plan.contract_segments import next_month
from mailsla.sinks.closing.run.landed_month import close_landed_month
from mailsla.sinks.landing.faults import label, lasting
from mailsla.streams.metrics import names
from mailsla.streams.metrics.health import Health
from mailsla.streams.metrics.sampling import beat
from mailsla.streams.runtime.absence import Absence
from mailsla.streams.runtime.faust_app.restart import give_up, settled
from mailsla.streams.settings import ConfigurationError, Settings

_LAST_ZONE: Final = timedelta(hours=12)
"""How far the last place where a day ends is behind UTC."""
_TURN_S: Final = 60.0
"""Between two looks for a month that is due, and before what failed is tried again."""
_AGAIN_S: Final = 3600.0
"""Before a month is closed again for those that were left out."""

_BOOKED: Final = "SELECT maxOrNull(month) FROM closing_log WHERE NOT provisional"
_CLOSED: Final = """
SELECT DISTINCT toString(tenant_id) FROM closing_log WHERE month = {month:Date} AND NOT provisional
"""

logger = logging.getLogger(__name__)


def run_closer(settings: Settings, clickhouse: ClickHouseSettings, health: Health) -> None:
    """Close what is due until SIGTERM or SIGINT; a closing under way comes to its end first."""
    asyncio.run(_run(Closer(settings, clickhouse), health))


def newest_due(now: datetime, after: timedelta) -> date:
    """First day of the newest month that had ended everywhere on Earth ``after`` ago."""
    running = (now.astimezone(UTC) - after - _LAST_ZONE).date().replace(day=1)
    return (running - timedelta(days=1)).replace(day=1)


def months_due(booked: date | None, due: date) -> Iterator[date]:
    """The months to look at, oldest first.

    Args:
        booked: the newest month that is closed for anybody; somebody may have been left out of it.
        due: the newest month that is due. Without any closing before, it is the only one: a new
            closer leaves the past to who runs it.

    """
    month = due if booked is None else booked
    while month <= due:
        yield month
        month = next_month(month)


class Closer:
    """Closes what is due, a turn at a time."""

    def __init__(self, settings: Settings, clickhouse: ClickHouseSettings) -> None:
        self._settings, self._clickhouse = settings, clickhouse
        self._after = timedelta(hours=settings.close_after_h)
        self._done: date | None = None
        """The newest month that is closed for everybody, and so are those before."""
        self.absence = Absence()
        """Of what a closing needs."""

    def turn(self, now: datetime) -> float:
        """Close the months that are due at ``now``; seconds until the next turn.

        Raises:
            ClosingError: a month cannot be closed now; another closing may be at work on it.
            ConfigurationError: no broker answers.

        """
        due = newest_due(now, self._after)
        if due == self._done:
            return _TURN_S
        client = connect(self._clickhouse)
        try:
            months = list(months_due(client.query(_BOOKED).result_rows[0][0], due))
            names.MONTHS_DUE.set(len(months))
            left = [failure for month in months for failure in self._close(client, month)]
        finally:
            client.close()
        names.UNCLOSED_TENANTS.set(len(left))
        if left:
            return _AGAIN_S
        self._done = due
        return _TURN_S

    def _close(self, client: Client, month: date) -> list[TenantFailure]:
        """Close a month for those for whom it is not closed; who was left out."""
        rows = client.query(_CLOSED, parameters={"month": month}).result_rows
        left: list[TenantFailure] = []
        closings = close_landed_month(
            self._settings,
            client,
            month,
            leave=frozenset(tenant for (tenant,) in rows),
            failed=left.append,
        )
        for failure in left:
            log_failure(failure)
        if not left:
            names.MONTHS_DUE.dec()
        names.CLOSED_MONTHS.inc(len(closings))
        logger.info("%s", _told(month, closings, len(rows), len(left)))
        return left


def _told(month: date, closings: list[Closing], before: int, left: int) -> str:
    """What became of a month, as one line."""
    verdicts = Counter(closing.verdict for closing in closings)
    figures = [f"{len(closings)} tenants closed"]
    figures += [f"{verdict} {count}" for verdict, count in sorted(verdicts.items())]
    figures += [f"closed before {before}", f"left out {left}"]
    return f"{month:%Y-%m}: {', '.join(figures)}"


async def _run(closer: Closer, health: Health) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    beating = asyncio.create_task(beat(health))
    while not stop.is_set():
        pause = await take_turn(closer, health)
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except TimeoutError:
            continue
    beating.cancel()


async def take_turn(closer: Closer, health: Health) -> float:
    """One turn; what passes by itself is tried again, what does not ends the worker."""
    try:
        pause = await asyncio.to_thread(closer.turn, datetime.now(UTC))
    except (ClosingError, ConfigurationError, ClickHouseError, KafkaError, OSError) as error:
        if isinstance(error, ClosingError | ConfigurationError):
            said = str(error)
        else:
            server = "Kafka" if isinstance(error, KafkaError) else "ClickHouse"
            said = f"{server}: {label(error)}"
        if lasting(error) == "permanent":
            give_up(f"no month can be closed ({said}); mend that, see mailsla doctor")
        if closer.absence.away(time.monotonic()) is not None:
            logger.warning("nothing is closed now: %s; tried again every %.0f s", said, _TURN_S)
        since, _ = health.problems.get("closing", (time.monotonic(), ""))
        health.problems = {"closing": (since, f"nothing is closed: {said}")}
        return _TURN_S
    if (away_s := closer.absence.back(time.monotonic())) is not None:
        logger.info("months are closed again after %.0f s", away_s)
    health.problems = {}
    settled()
    return pause
