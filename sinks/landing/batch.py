"""What comes in (records of one partition) and what goes out (rows of one table)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

LOG_APPEND_TIME: Final = 1
"""Kafka's timestamp type of records stamped by the broker."""

BLOCK_ROWS: Final = 50_000
"""Most rows of one insert; an insert makes at least one part, so few and large ones are wanted."""


class LandingBatch(Protocol):
    """Consecutive records of one topic partition; every array has one entry per record."""

    @property
    def topic(self) -> str:
        """Topic name."""

    @property
    def partition(self) -> int:
        """Partition number."""

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Offsets, rising."""

    @property
    def values(self) -> Sequence[bytes | None]:
        """Values; ``None`` is a tombstone."""

    @property
    def timestamps_us(self) -> npt.NDArray[np.int64]:
        """Kafka timestamps, µs since 1970."""

    @property
    def timestamp_type(self) -> int:
        """0: set by the producer, 1: by the broker."""

    @property
    def unreadable(self) -> Mapping[int, str]:
        """Offset → reason, of the records that stand for a batch that cannot be read."""


@dataclass(frozen=True)
class Rows:
    """Rows decoded for one table, with what was left out: refused records and tombstones.

    ``complaint`` says why the first refused record was refused, and where it is.
    """

    table: str
    rows: pa.Table
    rejected: int = 0
    tombstones: int = 0
    complaint: str | None = None


@dataclass(frozen=True)
class Block:
    """The rows of one insert."""

    table: str
    rows: pa.Table


def blocks(decoded: Iterable[Rows]) -> Iterator[Block]:
    """Blocks of at most `BLOCK_ROWS` rows, those of one table put together."""
    by_table: dict[str, list[pa.Table]] = {}
    for rows in decoded:
        if rows.rows.num_rows:
            by_table.setdefault(rows.table, []).append(rows.rows)
    for table, parts in by_table.items():
        whole = pa.concat_tables(parts)
        for start in range(0, whole.num_rows, BLOCK_ROWS):
            yield Block(table, whole.slice(start, BLOCK_ROWS))


def with_coordinates(
    rows: pa.Table, topic: str, partition: int, offsets: npt.NDArray[np.int64]
) -> pa.Table:
    """``rows`` with the columns that say where in Kafka each came from."""
    count = rows.num_rows
    return (
        rows.append_column("topic", pa.repeat(pa.scalar(topic), count))
        .append_column("partition", pa.repeat(pa.scalar(partition, pa.int32()), count))
        .append_column("offset", pa.array(offsets, pa.int64()))
    )
