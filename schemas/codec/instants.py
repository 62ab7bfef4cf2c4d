"""Times by the column: RFC 3339 texts to UTC microseconds, as strictly as `parse_instant`."""

from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mailsla.schemas.codec.identifiers import (
    EARLIEST,
    FINER_THAN_US_PATTERN,
    LATEST,
    RFC3339_PATTERN,
    parse_instant,
)
from mailsla.schemas.compiled import texts as compiled

Mask = npt.NDArray[np.bool_]

UTC_MICROS: Final = pa.timestamp("us", tz="UTC")

_SECOND_COLON: Final = 16
_SHORTEST: Final = 20


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware time, exactly."""
    delta = moment - EARLIEST
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


LATEST_US: Final = micros(LATEST)


def parse_instants(values: pa.Array, present: Mask) -> tuple[pa.Array, Mask]:
    """RFC 3339 texts to UTC times; unreadable ones become null and are not good."""
    if compiled is not None:
        found_us = np.empty(len(values), dtype=np.int64)
        compiled.instants(*text_buffers(values), found_us)
        good = found_us >= 0
        if np.array_equal(good, present):
            return pa.array(found_us, mask=~good).cast(UTC_MICROS), good
    good = present & _shape(values)
    stamps = _cast(_only(values, good))
    if stamps is None:  # one odd text fails the whole column: look at each more closely
        good &= np.asarray(pc.match_substring_regex(values, RFC3339_PATTERN).fill_null(False))
        values = pc.replace_substring_regex(values, FINER_THAN_US_PATTERN, r"\1")
        stamps = _cast(_only(values, good))
    if stamps is None:  # well written, but a leap second, or no such day or minute
        texts = _only(values, good).to_pylist()
        stamps = pa.array([_instant_or_none(text) for text in texts], UTC_MICROS)
        good &= np.asarray(stamps.is_valid())
    number = micros_of(stamps)
    return stamps, good & (number >= 0) & (number < LATEST_US)


def text_buffers(values: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Where each text of a column begins, at last where they end, and all their bytes."""
    _, offsets, data = values.buffers()
    if len(values) == 0 or data is None:
        return np.zeros(len(values) + 1, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    begins = np.frombuffer(offsets, np.int32, len(values) + 1, values.offset * 4)
    return begins, np.frombuffer(data, np.uint8, data.size)


def _only(values: pa.Array, good: Mask) -> pa.Array:
    return values if good.all() else pc.if_else(pa.array(good), values, None)


def _cast(texts: pa.Array) -> pa.Array | None:
    try:
        return texts.cast(UTC_MICROS)
    except pa.ArrowInvalid:
        return None


def micros_of(stamps: pa.Array) -> npt.NDArray[np.int64]:
    """Microseconds since 1970 of a time column; 0 where there is none."""
    numbers = stamps.cast(pa.int64())
    if numbers.null_count:
        numbers = numbers.fill_null(0)
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.int64)


def _shape(values: pa.Array) -> Mask:
    """Rows with seconds, an offset with a colon or Z, by looking at single bytes.

    The cast reads shorter forms too (no seconds, ``+0800``), which the wire contract refuses.
    """
    offsets, data = text_buffers(values)
    if len(data) == 0:
        return np.zeros(len(values), dtype=np.bool_)
    size = np.diff(offsets)
    long_enough = size >= _SHORTEST
    start = np.where(long_enough, offsets[:-1], 0)
    last = np.where(long_enough, offsets[1:] - 1, 0)
    tail = np.maximum(last - 2, 0)
    zulu = data[last] == ord("Z")
    second_colon = data[np.minimum(start + _SECOND_COLON, len(data) - 1)] == ord(":")
    return np.asarray(long_enough & second_colon & (zulu | (data[tail] == ord(":"))))


def _instant_or_none(text: object) -> datetime | None:
    try:
        return parse_instant(text)
    except ValueError:
        return None
