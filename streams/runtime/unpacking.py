"""Compressed batches are unpacked up to a bound: a few hundred kilobytes can hold gigabytes.

A batch that would unpack beyond it cannot be read, like a damaged one (`unreadable`). The client
has no bound of its own, so its decoders are replaced where it looks them up.
"""

import struct
import threading
import zlib
from collections.abc import Callable
from typing import Any, Final

import cramjam
import numpy as np
from aiokafka.errors import CorruptRecordException
from aiokafka.record._crecords import default_records, legacy_records

MOST_BYTES: Final = 32 * 2**20
"""Unpacked bytes of a batch, at the most; producers make batches of at most one MiB or so."""
MOST_RECORDS: Final = 250_000
"""Records of a batch, at the most: each is an object of its own, however short."""
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES: Final = 16
_local = threading.local()
_FULL: Final = "failed to write whole buffer"
"""What a decoder says that had not enough room."""
_GZIP: Final = 31
"""zlib's number for gzip with the largest window."""


class TooLargeError(CorruptRecordException):  # type: ignore[misc]  # an untyped base
    """A batch holds more than the bound."""

    def __init__(self) -> None:
        super().__init__(
            f"it unpacks to more than {MOST_BYTES >> 20} MiB or {MOST_RECORDS} records"
        )


def bound_unpacking() -> None:
    """Let the client unpack no batch beyond the bound, whoever reads in this process."""
    for module in (default_records, legacy_records):
        for name, unpack in _UNPACK.items():
            if hasattr(module, f"{name}_decode"):
                setattr(module, f"{name}_decode", unpack)


def unpack(codec: int, packed: Any) -> bytes:
    """Unpack the records of a batch.

    Args:
        codec: the protocol's number.
        packed: the bytes.

    Raises:
        KeyError: no such codec.
        TooLargeError: there is more than the bound; a codec may raise its own for damaged bytes.

    """
    return _UNPACK[_NUMBERED[codec]](packed)


def _gzip(packed: Any) -> bytes:
    rest, parts, room = bytes(packed), [], MOST_BYTES
    while rest:  # a stream may follow another
        stream = zlib.decompressobj(_GZIP)
        parts.append(stream.decompress(rest, room + 1))
        room -= len(parts[-1])
        if room < 0:
            raise TooLargeError
        if not stream.eof:
            raise CorruptRecordException("its gzip stream is cut off")
        rest = stream.unused_data
    return b"".join(parts)


def _snappy(packed: Any) -> bytes:
    whole = bytes(packed)
    blocks = [whole]
    if whole.startswith(_XERIAL):
        blocks, at = [], _XERIAL_HEADER_BYTES
        while at < len(whole):
            (size,) = struct.unpack_from("!I", whole, at)
            blocks.append(whole[at + 4 : at + 4 + size])
            at += 4 + size
    if sum(map(cramjam.snappy.decompress_raw_len, blocks)) > MOST_BYTES:
        raise TooLargeError
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def _into_room(unpack: Callable[[bytes, Any], int]) -> Callable[[Any], bytes]:
    """A decoder that has room for so many bytes and no more."""

    def decode(packed: Any) -> bytes:
        # One for each thread that reads; only the pages that are written to take memory.
        if not hasattr(_local, "room"):
            _local.room = np.empty(MOST_BYTES, dtype=np.uint8)
        room = _local.room
        try:
            size = unpack(bytes(packed), room)
        except cramjam.DecompressionError as error:
            if _FULL in str(error):
                raise TooLargeError from None
            raise
        return bytes(room[:size])

    return decode


_UNPACK: Final[dict[str, Callable[[Any], bytes]]] = {
    "gzip": _gzip,
    "snappy": _snappy,
    "lz4": _into_room(cramjam.lz4.decompress_into),
    "zstd": _into_room(cramjam.zstd.decompress_into),
}
_NUMBERED: Final = dict(enumerate(_UNPACK, 1))
"""The protocol's number of a codec → its name."""
