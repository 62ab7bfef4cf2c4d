"""64-bit keys of messages, computed column by column.

A message is (source, message_id, recipient, direction) (contract section 2). Each text is read
in words of eight bytes; every word is mixed with the weight of its place and the mixed words are
added up. Two different messages share a key with a probability of about 2^-60. Keys are kept in
the state topic, so the function must stay as it is across processes and library versions.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mailsla.schemas.codec.instants import text_buffers
from mailsla.schemas.compiled import texts as compiled

UInt64s = npt.NDArray[np.uint64]

_MOST_WORDS: Final = 512
_WEIGHTS: Final[UInt64s] = np.random.Generator(np.random.PCG64(0x6D61_696C_736C_61)).integers(
    0, 2**64, _MOST_WORDS, dtype=np.uint64
)
_LOW_BYTES: Final[UInt64s] = np.array(
    [0] + [(1 << (8 * size)) - 1 for size in range(1, 9)], dtype=np.uint64
)

_INBOUND: Final = np.uint64(0xA5C3_1B7E_94D2_680F)


def hash_texts(texts: pa.Array, salt: int) -> UInt64s:
    """Hash each text of a column without nulls; ``salt`` tells columns apart.

    Texts are at most 4,096 bytes, more than any identifier of the wire contract.
    """
    offsets, data = text_buffers(texts)
    if compiled is not None:
        hashes = np.empty(len(texts), dtype=np.uint64)
        compiled.hash_texts(offsets, data, salt, _WEIGHTS, hashes)
        return hashes
    return hash_in_columns(offsets.astype(np.int64), data, salt)


def hash_in_columns(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], salt: int
) -> UInt64s:
    """The definition of `hash_texts`, a step of numpy for all texts at a time."""
    sizes = np.diff(offsets)
    hashes = sizes.astype(np.uint64) + np.uint64(salt)
    words = (sizes + 7) // 8
    total = int(words.sum())
    if total == 0:
        return _mix(hashes)
    first = np.cumsum(words) - words
    place = np.arange(total, dtype=np.int64) - np.repeat(first, words)
    loaded = _load_words(data, np.repeat(offsets[:-1], words) + 8 * place)
    left = np.repeat(sizes, words) - 8 * place
    loaded &= _LOW_BYTES[np.minimum(left, 8)]
    mixed = _mix(loaded ^ _WEIGHTS[place])
    filled = sizes > 0
    hashes[filled] += np.add.reduceat(mixed, first[filled])
    return _mix(hashes)


def leading_bytes(texts: pa.Array) -> UInt64s:
    """The first eight bytes of each text as a number that orders like the text."""
    offsets, data = text_buffers(texts)
    loaded = _load_words(data, offsets[:-1])
    loaded &= _LOW_BYTES[np.minimum(np.diff(offsets), 8)]
    return loaded.byteswap()


def _load_words(data: npt.NDArray[np.uint8], positions: npt.NDArray[np.integer[Any]]) -> UInt64s:
    """Eight bytes from each position, little-endian; beyond the data they read as zero."""
    count = len(data) + 1
    data = np.append(data, np.zeros(8, dtype=np.uint8))
    overlapping: UInt64s = np.ndarray((count,), dtype="<u8", buffer=data, strides=(1,))
    found: UInt64s = overlapping[positions]
    return found


def message_keys(
    source: pa.Array, message_id: pa.Array, recipient: pa.Array, inbound: npt.NDArray[np.bool_]
) -> UInt64s:
    """The key of each message of a batch.

    Args:
        source: who reported it; dictionary-encoded here, since few are distinct.
        message_id: the system's id of the message.
        recipient: one message to several recipients counts once per recipient.
        inbound: direction, true for received mail.
    """
    encoded = source.dictionary_encode()
    sources = hash_texts(encoded.dictionary, 1)[encoded.indices.to_numpy(zero_copy_only=False)]
    keys = _mix(sources + hash_texts(message_id, 2))
    return turned(_mix(keys + hash_texts(recipient, 3)), inbound)


def event_keys(ids: pa.Array) -> UInt64s:
    """What stands for the id of each event of a batch, within its source."""
    return hash_texts(ids, 4)


def turned(keys: UInt64s, inbound: npt.NDArray[np.bool_]) -> UInt64s:
    """Put the direction into keys, or take it out again: the same step both ways.

    A message is finished whatever the direction of the event that says so (events, ``mail.mta``),
    so the key without it must be to be had from the key with it.
    """
    result: UInt64s = np.where(inbound, keys ^ _INBOUND, keys)
    return result


def _mix(values: UInt64s) -> UInt64s:
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014): every bit depends on every bit."""
    mixed = values + np.uint64(0x9E37_79B9_7F4A_7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    result: UInt64s = mixed ^ (mixed >> np.uint64(31))
    return result
