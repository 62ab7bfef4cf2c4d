"""Where a key belongs."""

from functools import lru_cache
from typing import Final

from kafka.partitioner.default import murmur2

_REMEMBERED: Final = 1 << 18


@lru_cache(_REMEMBERED)
def home_of(key: bytes, partitions: int) -> int:
    """The partition of a key in a topic of so many: that of Kafka's default partitioner."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
