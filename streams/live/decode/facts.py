"""Accepted events of the thin topics as facts."""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.lines import FACT_TYPES, FIELDS
from mailsla.streams.live.decode.records import DecodedBatch


class Arrived(NamedTuple):
    """A fact, the event time its topic came to with it, and when the broker received it, µs.

    ``batch`` and ``offset`` say where it came from.
    """

    clock_us: int
    fact: Fact
    heard_us: int
    batch: DecodedBatch
    offset: int


def merged_facts(batches: Sequence[DecodedBatch]) -> list[Arrived]:
    """The facts of some topics, merged by the event time that each topic has come to."""
    found: list[Arrived] = []
    for batch in batches:
        if len(batch):
            clocks = np.maximum.accumulate(batch.believed_us).tolist()
            facts = facts_of(batch.events)
            heard_us, offsets = batch.heard_us.tolist(), batch.offsets.tolist()
            found += map(Arrived, clocks, facts, heard_us, repeat(batch), offsets)
    found.sort(key=lambda one: one.clock_us)
    return found


def facts_of(events: pa.Table) -> Iterator[Fact]:
    """The facts of a decoded batch, in record order."""
    columns = {name: _plain(events.column(name)) for name in events.column_names}
    types = columns["type"]
    made_of = {name: [columns[field] for field in FIELDS[name]] for name in set(types)}
    for row, name in enumerate(types):
        yield FACT_TYPES[name](*[values[row] for values in made_of[name]])


def _plain(column: pa.ChunkedArray) -> Sequence[Any]:
    """The values of a column: instants as µs, amounts as decimal strings, absent ones as None."""
    if column.null_count == len(column):
        return [None] * len(column)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.string())
    values: list[Any] = column.to_pylist()
    return values
