"""Tenants of a task as small numbers; a series is one tenant and one direction."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Direction = Literal["outbound", "inbound"]

_DIRECTIONS: Final[tuple[Direction, Direction]] = ("outbound", "inbound")


class TenantCodes:
    """Codes in order of first appearance; the same order gives the same codes again."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self.names: list[str] = []

    def add(self, names: Sequence[str]) -> None:
        """Give codes to tenants that have none yet, in the order given."""
        for name in names:
            if name not in self._codes:
                self._codes[name] = len(self.names)
                self.names.append(name)

    def encode(self, column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """The code of each row's tenant; new tenants get one."""
        encoded = column.combine_chunks().dictionary_encode()
        distinct = encoded.dictionary.to_pylist()
        self.add(distinct)
        table = np.array([self._codes[name] for name in distinct] or [0], dtype=np.int64)
        indices: npt.NDArray[np.int64] = encoded.indices.to_numpy(zero_copy_only=False)
        result: npt.NDArray[np.int64] = table[indices]
        return result

    def code(self, name: str) -> int | None:
        """The code of a tenant, if it has one."""
        return self._codes.get(name)


def series_of(
    tenants: npt.NDArray[np.int64], inbound: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int32]:
    """Series number of each row."""
    result: npt.NDArray[np.int32] = (2 * tenants + inbound).astype(np.int32)
    return result


def tenant_code(series: int) -> int:
    """The tenant's code of a series."""
    return series // 2


def direction(series: int) -> Direction:
    """The direction of a series."""
    return _DIRECTIONS[series % 2]
