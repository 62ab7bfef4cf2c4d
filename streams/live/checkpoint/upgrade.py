"""Reading a task's state back; what release 0.1.0 wrote is carried over first."""

import asyncio
import time
from typing import Final

from mailsla.streams.live.checkpoint.former import carry_over, is_former, leftovers
from mailsla.streams.runtime.checkpoint.recovery import read_records
from mailsla.streams.runtime.checkpoint.writer import Delivery, TransactionalDelivery
from mailsla.streams.settings import Settings

_RECORDS: Final = 100
"""Delivered at a time, so that a large state fits into the time of a transaction."""


async def read_current(
    settings: Settings, delivery: Delivery, partition: int
) -> dict[bytes, bytes]:
    """The newest value of each key of a task's state, in the layout of this release.

    Args:
        settings: broker and deadline.
        delivery: has claimed the task.
        partition: the task's.

    Raises:
        StateError: not read to its end before the deadline, or a segment is missing.

    """
    committed = delivery.name == TransactionalDelivery.name
    records = await read_records(settings, partition, committed)
    task = str(partition)
    if is_former(records):
        now_us = time.time_ns() // 1000
        *made, head = await asyncio.to_thread(carry_over, partition, records, now_us)
        # Without the head they are ignored, and written again by the next life.
        for at in range(0, len(made), _RECORDS):
            await delivery.deliver(task, made[at : at + _RECORDS], None, {})
        await delivery.deliver(task, (), head, {})
        records |= {each.key: each.value for each in (*made, head) if each.key and each.value}
    if old := leftovers(partition, records):
        await delivery.deliver(task, old, None, {})
    return records
