"""Delivers blocks to ClickHouse and does not give up: the back-pressure of the sinks worker.

`Delivery.deliver` returns when the rows are durable. The caller awaits it before it fetches more
and before it commits offsets, so memory is bounded by one call, and a worker killed at any moment
lands the same records again, which the tables collapse.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mailsla.sinks.clickhouse import Client
from mailsla.sinks.landing.batch import Block
from mailsla.sinks.landing.faults import LandingError, label, lasting, sentence
from mailsla.sinks.landing.insert import insert_block
from mailsla.sinks.landing.metrics import LandingMetrics
from mailsla.sinks.landing.retry import DEFAULT_RETRY, RetryPolicy
from mailsla.streams.runtime.absence import Absence

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clock:
    """Time and chance, as the delivery needs them."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


REAL_CLOCK = Clock()


class LandingDelivery:
    """Inserts blocks in a thread of its own, with retries; one per worker process.

    ``connect`` makes the client, is called in that thread, and again after it failed.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        metrics: LandingMetrics | None = None,
        policy: RetryPolicy = DEFAULT_RETRY,
        clock: Clock = REAL_CLOCK,
    ) -> None:
        self.metrics = metrics or LandingMetrics()
        self._connect = connect
        self._policy = policy
        self._clock = clock
        self._client: Client | None = None
        self._absence = Absence()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="landing")

    async def deliver(self, blocks: Iterable[Block]) -> None:
        """Insert the blocks in order; returns when all of them are durable.

        Raises:
            LandingError: ClickHouse refuses the rows for a reason that does not pass by itself.

        """
        for block in blocks:
            await self._deliver(block)

    async def close(self) -> None:
        """Let go of thread and connection; an insert under way is waited for."""
        await self._in_thread(self._disconnect)
        self._thread.shutdown(wait=False)

    async def _deliver(self, block: Block) -> None:
        failures = 0
        while True:
            try:
                await self._in_thread(lambda: self._insert(block))
            except Exception as error:
                failures += 1
                self._judge(error, block, failures)
                self.metrics.retries += 1
                await self._clock.sleep(self._policy.delay(failures, self._clock.chance()))
            else:
                self._note_success(block)
                return

    async def _in_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _insert(self, block: Block) -> None:
        if self._client is None:
            self._client = self._connect()
        insert_block(self._client, block)

    def _judge(self, error: Exception, block: Block, failures: int) -> None:
        """Go on, or raise the sentence that ends the worker; log a change of state once."""
        fate = lasting(error)
        if fate == "permanent" or (fate == "unclear" and failures >= self._policy.patience):
            raise LandingError(sentence(error, block.table)) from error
        now = self._clock.monotonic()
        if (away_s := self._absence.away(now)) is not None:
            if away_s:
                _log.warning("ClickHouse has taken no rows for %.0f s (%s).", away_s, label(error))
            else:
                _log.warning("ClickHouse takes no rows (%s); trying until it does.", label(error))
        self.metrics.down_since = self._absence.since

    def _note_success(self, block: Block) -> None:
        self.metrics.rows[block.table] += block.rows.num_rows
        self.metrics.blocks += 1
        if (away_s := self._absence.back(self._clock.monotonic())) is not None:
            _log.info("ClickHouse takes rows again after %.1f s.", away_s)
            self.metrics.down_since = None
