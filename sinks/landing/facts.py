"""Event topics → rows of the fact tables, column by column."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mailsla.schemas.codec.addresses import FIELDS, AddressKey
from mailsla.schemas.codec.columnar import decode_batch
from mailsla.schemas.codec.columns import arrow_schema
from mailsla.sinks.ddl import FACT_TABLES
from mailsla.sinks.landing.batch import Rows, with_coordinates


def decode_facts(
    topic: str,
    partition: int,
    offsets: npt.NDArray[np.int64],
    values: Sequence[bytes | None],
    broker_times_us: npt.NDArray[np.int64],
    key: AddressKey | None = None,
) -> Rows:
    """The records' rows of the topic's fact table; with a key, addresses are hashed."""
    decoded = decode_batch(topic, values, broker_times_us)
    events = decoded.table if key is None else _hashed(decoded.table, key)
    for name in _lists(topic):
        events = _without_null_lists(events, name)
    return Rows(
        table=FACT_TABLES[topic],
        rows=with_coordinates(events, topic, partition, offsets[decoded.rows]),
        rejected=len(decoded.rejections),
        tombstones=decoded.tombstones,
    )


def _hashed(events: pa.Table, key: AddressKey) -> pa.Table:
    for name in set(FIELDS) & set(events.schema.names):
        encoded = events.column(name).combine_chunks().dictionary_encode()
        hashed = pa.array([key.hashed(one) for one in encoded.dictionary.to_pylist()], pa.string())
        place = events.schema.get_field_index(name)
        events = events.set_column(place, events.schema.field(name), hashed.take(encoded.indices))
    return events


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
