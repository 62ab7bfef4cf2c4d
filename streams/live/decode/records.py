"""From fetched records to accepted events, dead letters and records to be keyed anew."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.columnar import decode_batch
from streams.live.decode.dead_letters import dead_letter
from streams.runtime.batches import RecordBatch
from streams.runtime.delivery import Outgoing


@dataclass(frozen=True)
class Intake:
    """A batch after checking.

    ``events`` has the topic's Arrow schema; ``broker_us`` is the broker's time of each of them.
    ``outgoing`` holds the dead letters and the re-keyed records.
    """

    events: pa.Table
    broker_us: npt.NDArray[np.int64]
    outgoing: tuple[Outgoing, ...]
    rejected: int
    rekeyed: int
    tombstones: int


def take_in(batch: RecordBatch, now_us: int) -> Intake:
    """Check a batch of an event topic.

    A record keyed otherwise than by its tenant is not applied here: it is published once more
    under the right key and counts where that puts it.

    Args:
        batch: records of one event topic.
        now_us: system time, µs; stands in for the broker's clock where producers set the time.
    """
    broker_times = (
        batch.timestamps_us if batch.broker_time else np.full(len(batch), now_us, dtype=np.int64)
    )
    decoded = decode_batch(batch.topic, batch.values, broker_times)
    events, broker_us = decoded.table, broker_times[decoded.rows]
    misplaced = _misplaced(batch, decoded.rows, events)
    outgoing = [
        dead_letter(batch, place, rejection)
        for place, rejection in sorted(decoded.rejections.items())
    ]
    if misplaced.any():
        tenants = events.column("tenant_id").filter(pa.array(misplaced)).to_pylist()
        places = decoded.rows[misplaced].tolist()
        outgoing += [
            Outgoing(batch.topic, tenant.encode(), batch.values[place])
            for tenant, place in zip(tenants, places, strict=True)
        ]
        events, broker_us = events.filter(pa.array(~misplaced)), broker_us[~misplaced]
    return Intake(
        events,
        broker_us,
        tuple(outgoing),
        len(decoded.rejections),
        int(np.count_nonzero(misplaced)),
        decoded.tombstones,
    )


def _misplaced(
    batch: RecordBatch, rows: npt.NDArray[np.int64], events: pa.Table
) -> npt.NDArray[np.bool_]:
    keys = batch.keys if len(rows) == len(batch) else [batch.keys[i] for i in rows.tolist()]
    tenants = events.column("tenant_id").combine_chunks().cast(pa.binary())
    same = pc.fill_null(pc.equal(pa.array(keys, pa.binary()), tenants), False)
    return ~np.asarray(same.to_numpy(zero_copy_only=False), dtype=np.bool_)
