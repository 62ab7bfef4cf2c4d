"""From fetched records to accepted events, dead letters and records to be keyed anew."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mailsla.schemas.codec.columnar import decode_batch
from mailsla.schemas.codec.records import Rejection
from mailsla.streams.live.decode.homes import Homes
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.runtime.dead_letters import dead_letter
from mailsla.streams.runtime.faust_app.batches import RecordBatch
from mailsla.streams.time.clock import SKEW_CAP_US

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """Consecutive records of one topic and partition after checking.

    ``events`` has the topic's Arrow schema; of each event ``times_us`` is its event time,
    ``believed_us`` the same, or 0 where it is so far ahead that it must not move time,
    ``heard_us`` when the broker received it and ``offsets`` its offset. ``outgoing`` holds the
    dead letters and the re-keyed records with their offsets. Offsets before ``next_offset`` are
    done with once everything of the batch is applied.
    """

    topic: str
    events: pa.Table
    times_us: Int64s
    believed_us: Int64s
    heard_us: Int64s
    offsets: Int64s
    outgoing: Sequence[tuple[int, Outgoing]]
    next_offset: int
    refused: Mapping[str, int] = field(default_factory=dict)
    """Field that was wrong → number of dead letters."""
    misplaced: int = 0
    """How many records are published once more, for another partition."""
    fetched: RecordBatch | None = None
    """What it was decoded from, for dead letters of events that are refused later."""
    size_bytes: int = 0
    """Of all values that were fetched."""

    def __len__(self) -> int:
        return len(self.offsets)

    def split(self, count: int) -> tuple["DecodedBatch", "DecodedBatch"]:
        """The first events, and the rest with everything that follows them."""
        cut = int(self.offsets[count])
        before = [one for one in self.outgoing if one[0] < cut]
        first = replace(
            self,
            events=self.events.slice(0, count),
            times_us=self.times_us[:count],
            believed_us=self.believed_us[:count],
            heard_us=self.heard_us[:count],
            offsets=self.offsets[:count],
            outgoing=before,
            next_offset=cut,
        )
        rest = replace(
            self,
            events=self.events.slice(count),
            times_us=self.times_us[count:],
            believed_us=self.believed_us[count:],
            heard_us=self.heard_us[count:],
            offsets=self.offsets[count:],
            outgoing=self.outgoing[len(before) :],
            refused={},
            misplaced=0,
        )
        return first, rest


def decode(batch: RecordBatch, now_us: int, homes: Homes | None = None) -> DecodedBatch:
    """Check a batch of an event topic.

    A record keyed otherwise than by its tenant, or put into another partition than its tenant's,
    is not applied here: it is published once more and counts where that puts it.

    Args:
        batch: records of one event topic.
        now_us: system time, µs; stands in for the broker's clock where producers set the time.
        homes: the partitions of tenants; None where all are in this one.

    """
    broker_times = (
        batch.timestamps_us if batch.broker_time else np.full(len(batch), now_us, dtype=np.int64)
    )
    decoded = decode_batch(batch.topic, batch.values, broker_times)
    events, heard_us, rows = decoded.table, broker_times[decoded.rows], decoded.rows
    misplaced = _misplaced(batch, rows, events, homes)
    outgoing = [
        (int(batch.offsets[place]), dead_letter(batch, place, rejection))
        for place, rejection in sorted(decoded.rejections.items())
    ]
    away = int(np.count_nonzero(misplaced))
    if away:
        tenants = events.column("tenant_id").filter(pa.array(misplaced)).to_pylist()
        outgoing += [
            (
                int(batch.offsets[place]),
                Outgoing(batch.topic, tenant.encode(), batch.values[place]),
            )
            for tenant, place in zip(tenants, rows[misplaced].tolist(), strict=True)
        ]
        outgoing.sort(key=lambda one: one[0])
        kept = ~misplaced
        events, heard_us, rows = events.filter(pa.array(kept)), heard_us[kept], rows[kept]
    times = events.column("time").combine_chunks().cast(pa.int64()).to_numpy()
    return DecodedBatch(
        batch.topic,
        events,
        times,
        np.where(times <= heard_us + SKEW_CAP_US, times, 0),
        heard_us,
        batch.offsets[rows],
        outgoing,
        batch.next_offset,
        Counter(rejection.field or "record" for rejection in decoded.rejections.values()),
        away,
        batch,
        sum(map(len, filter(None, batch.values))),
    )


def letter(decoded: DecodedBatch, offset: int, rejection: Rejection) -> Outgoing:
    """The dead letter of the event at an offset of a batch that `decode` has made."""
    fetched = decoded.fetched
    if fetched is None:
        raise ValueError("the batch does not have what it was decoded from")
    return dead_letter(fetched, int(np.searchsorted(fetched.offsets, offset)), rejection)


def pass_over(decoded: DecodedBatch, rejections: Mapping[int, Rejection]) -> DecodedBatch:
    """A decoded batch in which the events at some offsets are dead letters."""
    passed = np.isin(decoded.offsets, list(rejections))
    letters = [
        (offset, letter(decoded, offset, rejections[offset]))
        for offset in decoded.offsets[passed].tolist()
    ]
    return leave_out(decoded, passed, letters)


def leave_out(
    decoded: DecodedBatch,
    unwanted: npt.NDArray[np.bool_],
    letters: Sequence[tuple[int, Outgoing]] = (),
) -> DecodedBatch:
    """A decoded batch without some of its events, and with dead letters by offset."""
    if not unwanted.any():
        return decoded
    kept = ~unwanted
    return replace(
        decoded,
        events=decoded.events.filter(pa.array(kept)),
        times_us=decoded.times_us[kept],
        believed_us=decoded.believed_us[kept],
        heard_us=decoded.heard_us[kept],
        offsets=decoded.offsets[kept],
        outgoing=sorted([*decoded.outgoing, *letters], key=lambda one: one[0]),
    )


def _misplaced(
    batch: RecordBatch, rows: Int64s, events: pa.Table, homes: Homes | None
) -> npt.NDArray[np.bool_]:
    keys = batch.keys if len(rows) == len(batch) else [batch.keys[i] for i in rows.tolist()]
    tenants = events.column("tenant_id")
    of_key = tenants.combine_chunks().cast(pa.binary())
    same = pc.fill_null(pc.equal(pa.array(keys, pa.binary()), of_key), False)
    misplaced = ~np.asarray(same.to_numpy(zero_copy_only=False), dtype=np.bool_)
    if homes is not None:
        misplaced |= homes.elsewhere(tenants, batch.partition)
    return misplaced
