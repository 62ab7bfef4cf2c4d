"""The records of one batch of the log, as columns."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mailsla.schemas.compiled import log as compiled
from mailsla.streams.runtime import unpacking

Int64s = npt.NDArray[np.int64]

_HEADER: Final = struct.Struct(">q i i b I h i q q q h i i")
"""Base offset, length, leader epoch, magic, checksum, attributes, last offset delta, base and
largest timestamp, producer id and epoch, base sequence, number of records (Kafka protocol guide,
"Record Batch")."""
_MAGIC: Final = 2
_CODEC: Final = 0b111
_BY_BROKER: Final = 0b1000


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records in offset order.

    ``times_ms`` since 1970, set by the broker where ``timestamp_type`` is 1. ``reason`` says why a
    batch cannot be read; one record without key, with an empty value, stands for it then.
    ``next_offset`` is where the log goes on.
    """

    offsets: Int64s
    times_ms: Int64s
    timestamp_type: int
    keys: list[bytes | None]
    values: list[bytes | None]
    next_offset: int
    reason: str | None = None

    @property
    def offset(self) -> int:
        """That of the last record: nothing of the stretch is new where this one is not."""
        return int(self.offsets[-1])

    @classmethod
    def of(cls, records: Sequence[Any]) -> "Stretch":
        """That of the client's records, at least one."""
        count, last = len(records), records[-1]
        return cls(
            np.fromiter((record.offset for record in records), np.int64, count),
            np.fromiter((record.timestamp for record in records), np.int64, count),
            int(last.timestamp_type),
            [record.key for record in records],
            [record.value for record in records],
            int(last.offset) + 1,
        )

    def since(self, offset: int) -> "Stretch | None":
        """The records at or beyond an offset, if there are any."""
        if int(self.offsets[0]) >= offset:
            return self
        cut = int(np.searchsorted(self.offsets, offset))
        if cut == len(self.offsets):
            return None
        return replace(
            self,
            offsets=self.offsets[cut:],
            times_ms=self.times_ms[cut:],
            keys=self.keys[cut:],
            values=self.values[cut:],
        )


def unpacked(batch: memoryview) -> Stretch | None:
    """The records of a batch whose checksum is right; None where the client must say what it is.

    Args:
        batch: its bytes in the log, header and all.

    """
    if compiled is None or len(batch) <= _HEADER.size:
        return None
    base, _, _, magic, _, attributes, _, base_ms, largest_ms, *_, count = _HEADER.unpack_from(batch)
    if magic != _MAGIC or not 0 < count <= unpacking.MOST_RECORDS:
        return None
    data: memoryview | bytes = batch[_HEADER.size :]
    if codec := attributes & _CODEC:
        try:
            data = unpacking.unpack(codec, data)
        except Exception:  # whatever a codec makes of damaged bytes; the client meets it again
            return None
    offsets, times_ms = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    keys: list[bytes | None] = []
    values: list[bytes | None] = []
    if not compiled.unpack(data, offsets, times_ms, keys, values):
        return None
    by_broker = bool(attributes & _BY_BROKER)
    times_ms = np.full(count, largest_ms) if by_broker else times_ms + base_ms
    offsets += base
    return Stretch(offsets, times_ms, int(by_broker), keys, values, int(offsets[-1]) + 1)
