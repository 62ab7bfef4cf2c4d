"""Whole batches at a time: records to an Arrow table, checked as columns.

The records are read into the columns of their topic (`mailsla.schemas.codec.parsing`), and each
column is checked at once (`mailsla.schemas.codec.checks`). A record they cannot vouch for is
decided by `mailsla.schemas.codec.records`, alone: the columnar path may send too much there, and
must never accept what it refuses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mailsla.schemas.codec.checks import check
from mailsla.schemas.codec.columns import arrow_schema
from mailsla.schemas.codec.identifiers import EARLIEST
from mailsla.schemas.codec.instants import LATEST_US, micros
from mailsla.schemas.codec.parsing import parse
from mailsla.schemas.codec.records import Rejection, decode_event

__all__ = ["Decoded", "decode_batch", "micros"]


@dataclass(frozen=True)
class Decoded:
    """A decoded batch.

    ``table`` holds the accepted events in record order, ``rows[i]`` is the position in the batch
    of table row i. ``rejections`` maps the position of each refused record to the reason;
    ``tombstones`` counts records without a value, which are ignored.
    """

    table: pa.Table
    rows: npt.NDArray[np.int64]
    rejections: Mapping[int, Rejection] = field(default_factory=dict)
    tombstones: int = 0


def decode_batch(
    topic: str, values: Sequence[bytes | None], broker_times_us: npt.NDArray[np.int64]
) -> Decoded:
    """Decode the records of one event topic.

    Args:
        topic: name of an event topic.
        values: record values in offset order; ``None`` is a tombstone.
        broker_times_us: when the broker received each record, µs since 1970, same length.

    """
    # A nonsensical broker clock bounds nothing, but must not overflow.
    broker_times_us = np.clip(broker_times_us, 0, LATEST_US)
    parsed, positions = parse(topic, values)
    table, clean = check(topic, parsed, broker_times_us[positions])
    if not clean.all():
        table = table.filter(pa.array(clean))
        positions = positions[clean]
    if len(positions) == len(values):
        return Decoded(table, positions)
    return _settle(topic, values, broker_times_us, (table, positions))


def _settle(
    topic: str,
    values: Sequence[bytes | None],
    broker_times_us: npt.NDArray[np.int64],
    fast: tuple[pa.Table, npt.NDArray[np.int64]],
) -> Decoded:
    """Let the reference decide the other records and put everything in record order."""
    table, fast_rows = fast
    doubtful = np.setdiff1d(np.arange(len(values)), fast_rows, assume_unique=True)
    accepted: list[dict[str, Any]] = []
    rows: list[int] = []
    rejections: dict[int, Rejection] = {}
    tombstones = 0
    for i in doubtful.tolist():
        value = values[i]
        if value is None:
            tombstones += 1
            continue
        moment = EARLIEST + timedelta(microseconds=int(broker_times_us[i]))
        outcome = decode_event(topic, value, moment)
        if isinstance(outcome, Rejection):
            rejections[i] = outcome
        else:
            rows.append(i)
            accepted.append(outcome.model_dump())
    if not accepted:
        return Decoded(table, fast_rows, rejections, tombstones)
    settled = pa.Table.from_pylist(accepted, schema=arrow_schema(topic))
    order = np.concatenate([fast_rows, np.asarray(rows, dtype=np.int64)])
    by_record = np.argsort(order, kind="stable")
    merged = pa.concat_tables([table, settled]).take(pa.array(by_record)).combine_chunks()
    return Decoded(merged, order[by_record], rejections, tombstones)
