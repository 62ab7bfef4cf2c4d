"""Accepted events of the thin topics as facts: plain mappings, instants as µs."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from schemas.codec.records import Rejection
from streams.clauses.facts.base import Fact
from streams.live.decode.records import DecodedBatch
from streams.runtime.checkpoint.writer import Outgoing


class Arrived(NamedTuple):
    """A fact, the event time its topic came to with it, and when the broker received it, µs.

    ``refused`` makes the dead letter of its record, should it not be accepted after all.
    """

    clock_us: int
    fact: Fact
    heard_us: int
    refused: Callable[[Rejection], Outgoing]


def merged_facts(batches: Sequence[DecodedBatch]) -> list[Arrived]:
    """The facts of some topics, merged by the event time that each topic has come to."""
    found: list[Arrived] = []
    for batch in batches:
        if len(batch):
            clocks = np.maximum.accumulate(batch.believed_us).tolist()
            facts = facts_of(batch.events)
            letters = (partial(batch.refuse, offset) for offset in batch.offsets.tolist())
            found += map(Arrived, clocks, facts, batch.heard_us.tolist(), letters)
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
