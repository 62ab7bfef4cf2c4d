"""In which partition a tenant lives, whatever the partitioner of whoever sends its records."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mailsla.streams.runtime.kafka.partitioner import home_of


class Homes:
    """The partitions of all tenants: those of Kafka's default partitioner.

    Clients on librdkafka put the same key elsewhere by default. A tenant whose records stood in
    two partitions would have two tasks that each know one half of it.

    Args:
        partitions: how many every topic has.

    """

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions

    def of(self, tenant: str) -> int:
        """The partition of a tenant."""
        return home_of(tenant.encode(), self._partitions)

    def elsewhere(self, tenants: pa.ChunkedArray, partition: int) -> npt.NDArray[np.bool_]:
        """Which of the events of some tenants, by row, belong into another partition."""
        encoded = tenants.combine_chunks().dictionary_encode()
        away = [self.of(tenant) != partition for tenant in encoded.dictionary.to_pylist()]
        found: npt.NDArray[np.bool_] = np.array(away, dtype=np.bool_)[encoded.indices.to_numpy()]
        return found
