"""Publishing simulated records: the edge of the simulation."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final

from aiokafka import AIOKafkaProducer

from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.settings import Settings
from mailsla.streams.simulate.record import SimulatedRecord

_REPORT_EVERY: Final = 5_000
_LINGER_MS: Final = 20
_BATCH_BYTES: Final = 400_000


async def publish(
    settings: Settings,
    records: Iterator[SimulatedRecord],
    rate: float | None,
    progress: Callable[[int], None],
) -> int:
    """Publish records in order and wait until the broker has all of them.

    Args:
        settings: where the broker is.
        records: what to publish.
        rate: records a second at most; ``None`` as fast as the broker takes them.
        progress: told the number published so far, now and then.

    Returns:
        The number of records.
    """
    producer = AIOKafkaProducer(
        **client_options(settings), acks="all", linger_ms=_LINGER_MS, max_batch_size=_BATCH_BYTES
    )
    await producer.start()
    started, count = time.monotonic(), 0
    last: asyncio.Future[object] | None = None
    try:
        for record in records:
            last = await producer.send(record.topic, record.value, key=record.key)
            count += 1
            if count % _REPORT_EVERY == 0:
                progress(count)
                await asyncio.sleep(0)
            if rate is not None:
                ahead = count / rate - (time.monotonic() - started)
                if ahead > 0:
                    await asyncio.sleep(ahead)
        await producer.flush()
        if last is not None:
            await last
    finally:
        await producer.stop()
    return count
