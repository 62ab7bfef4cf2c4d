"""Event topics → rows of the fact tables, column by column."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.codec.columnar import decode_batch
from schemas.codec.columns import arrow_schema
from sinks.ddl import FACT_TABLES
from sinks.landing.batch import Rows, with_coordinates


def decode_facts(
    topic: str,
    partition: int,
    offsets: npt.NDArray[np.int64],
    values: Sequence[bytes | None],
    broker_times_us: npt.NDArray[np.int64],
) -> Rows:
    """The records' rows of the topic's fact table."""
    decoded = decode_batch(topic, values, broker_times_us)
    events = decoded.table
    for name in _lists(topic):
        events = _without_null_lists(events, name)
    return Rows(
        table=FACT_TABLES[topic],
        rows=with_coordinates(events, topic, partition, offsets[decoded.rows]),
        rejected=len(decoded.rejections),
        tombstones=decoded.tombstones,
    )


@cache
def _lists(topic: str) -> tuple[str, ...]:
    return tuple(field.name for field in arrow_schema(topic) if pa.types.is_list(field.type))


def _without_null_lists(events: pa.Table, name: str) -> pa.Table:
    """A ClickHouse array cannot be null: an absent list is an empty one."""
    column = events.column(name)
    if not column.null_count:
        return events
    empty = pa.scalar([], column.type)
    return events.set_column(events.schema.get_field_index(name), name, pc.coalesce(column, empty))
