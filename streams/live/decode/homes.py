"""In which partition a tenant lives, whatever the partitioner of whoever sends its records."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from kafka.partitioner.default import murmur2

_REMEMBERED: Final = 1 << 18


class Homes:
    """The partitions of all tenants: those of Kafka's default partitioner.

    Clients on librdkafka put the same key elsewhere by default. A tenant whose records stood in
    two partitions would have two tasks that each know one half of it.

    Args:
        partitions: how many every topic has.

    """

    def __init__(self, partitions: int) -> None:
        def of(tenant: str) -> int:
            return int((murmur2(tenant.encode()) & 0x7FFFFFFF) % partitions)

        self.of: Callable[[str], int] = lru_cache(_REMEMBERED)(of)

    def elsewhere(self, tenants: pa.ChunkedArray, partition: int) -> npt.NDArray[np.bool_]:
        """Which of the events of some tenants, by row, belong into another partition."""
        encoded = tenants.combine_chunks().dictionary_encode()
        away = [self.of(tenant) != partition for tenant in encoded.dictionary.to_pylist()]
        found: npt.NDArray[np.bool_] = np.array(away, dtype=np.bool_)[encoded.indices.to_numpy()]
        return found
