"""Accepted events of the thin topics as facts: plain mappings, instants as µs."""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mailsla.streams.clauses.facts.base import Fact
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
    """The facts of a decoded batch, in record order; absent fields are left out."""
    given = [
        place for place, column in enumerate(events.columns) if column.null_count < len(events)
    ]
    plain = events = events.select(given)
    for place, field in enumerate(events.schema):
        if pa.types.is_timestamp(field.type):
            plain = plain.set_column(place, field.name, events.column(place).cast(pa.int64()))
    for row in plain.to_pylist():
        yield {name: value for name, value in row.items() if value is not None}
