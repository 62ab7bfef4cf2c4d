"""Records of any landed topic → durable rows; what the sinks worker calls."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mailsla.schemas.codec.addresses import AddressKey
from mailsla.schemas.topics import ALL_TOPICS
from mailsla.sinks.ddl import FACT_TABLES
from mailsla.sinks.landing.batch import BLOCK_ROWS, LOG_APPEND_TIME, LandingBatch, Rows, blocks
from mailsla.sinks.landing.delivery import LandingDelivery
from mailsla.sinks.landing.facts import decode_facts
from mailsla.sinks.landing.metrics import LandingMetrics
from mailsla.sinks.landing.results import RESULT_KINDS, decode_results, unreadable_rows

_log = logging.getLogger(__name__)

LANDED_TOPICS: Final = (*FACT_TABLES, *RESULT_KINDS)
"""The topics the sinks worker subscribes to."""

_NEWEST_HOLDS: Final = frozenset(topic.name for topic in ALL_TOPICS if topic.broker_time)
"""Of their records the last in the log holds, as in the live worker, whatever its stamp says."""


def wall_clock_us() -> int:
    """Microseconds since 1970 by the system's clock."""
    return time.time_ns() // 1000


class Landing:
    """Lands batches of `LANDED_TOPICS`; safe to repeat with the same records at any time.

    Args:
        delivery: takes the rows to ClickHouse.
        now_us: the system's clock, µs.
        key: hashes the addresses in events, where one is set.

    """

    def __init__(
        self,
        delivery: LandingDelivery,
        now_us: Callable[[], int] = wall_clock_us,
        key: AddressKey | None = None,
    ) -> None:
        self._delivery, self._now_us, self._key = delivery, now_us, key

    @property
    def metrics(self) -> LandingMetrics:
        """The worker's counters."""
        return self._delivery.metrics

    async def land_all(self, batches: Sequence[LandingBatch]) -> None:
        """Land several batches together: fewer and larger inserts than one by one.

        Decodes the next records while ClickHouse takes those before; at most two blocks of rows
        are held. Offsets may be committed when this returns.

        Raises:
            LandingError: ClickHouse refuses the rows for a reason that does not pass by itself.
            ValueError: the topic is none of `LANDED_TOPICS`.

        """
        under_way = asyncio.ensure_future(self._delivery.deliver(()))
        try:
            for group in _groups(batches):
                decoded = await asyncio.to_thread(self._decode_all, group)
                await under_way
                self._count(group, decoded)
                under_way = asyncio.ensure_future(self._delivery.deliver(blocks(decoded)))
            await under_way
        finally:
            under_way.cancel()
        self._note_lag(batches)

    def _decode_all(self, batches: Sequence[LandingBatch]) -> list[Rows]:
        decoded = [self._decode(batch) for batch in batches]
        return decoded + [unreadable_rows(batch) for batch in batches if batch.unreadable]

    def _decode(self, batch: LandingBatch) -> Rows:
        if batch.topic in RESULT_KINDS:
            ordered = batch.topic in _NEWEST_HOLDS
            return decode_results(batch, self._broker_times(batch) if ordered else None)
        if batch.topic not in FACT_TABLES:
            raise ValueError(f"{batch.topic} does not land; subscribe to LANDED_TOPICS only.")
        times_us = self._broker_times(batch)
        return decode_facts(
            batch.topic, batch.partition, batch.offsets, batch.values, times_us, self._key
        )

    def _broker_times(self, batch: LandingBatch) -> npt.NDArray[np.int64]:
        """When the broker had each record; a producer's own stamps prove nothing."""
        if batch.timestamp_type == LOG_APPEND_TIME:
            return batch.timestamps_us
        return np.full(len(batch.values), self._now_us(), dtype=np.int64)

    def _count(self, batches: Sequence[LandingBatch], decoded: Sequence[Rows]) -> None:
        for batch, rows in zip(batches, decoded, strict=False):
            self.metrics.rejected[batch.topic] += rows.rejected
            self.metrics.tombstones[batch.topic] += rows.tombstones
            if rows.complaint:
                _log.warning("%s", rows.complaint)

    def _note_lag(self, batches: Sequence[LandingBatch]) -> None:
        newest = [int(batch.timestamps_us[-1]) for batch in batches if len(batch.values)]
        if newest:
            self.metrics.lag_s = max(0.0, (self._now_us() - max(newest)) / 1e6)


def _groups(batches: Sequence[LandingBatch]) -> Iterator[list[LandingBatch]]:
    """Batches in order, gathered until there are about `BLOCK_ROWS` records."""
    group: list[LandingBatch] = []
    size = 0
    for batch in batches:
        group.append(batch)
        size += len(batch.values)
        if size >= BLOCK_ROWS:
            yield group
            group, size = [], 0
    if group:
        yield group
