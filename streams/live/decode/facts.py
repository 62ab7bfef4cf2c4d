"""Accepted events of a thin topic as facts: plain mappings, instants as µs."""

from collections.abc import Iterator

import pyarrow as pa

from streams.clauses.facts import Fact


def facts_of(events: pa.Table) -> Iterator[Fact]:
    """The facts of a decoded batch, in record order; absent fields are left out."""
    plain = events
    for place, field in enumerate(events.schema):
        if pa.types.is_timestamp(field.type):
            plain = plain.set_column(place, field.name, events.column(place).cast(pa.int64()))
    for row in plain.to_pylist():
        yield {name: value for name, value in row.items() if value is not None}
