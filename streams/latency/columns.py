"""Columns of numbers, one row for each thing that is counted, which grow together."""

from typing import Any

import numpy as np
import numpy.typing as npt


class Columns:
    """Growing columns of numbers, zero where nothing was written."""

    def __init__(self, **kinds: tuple[type, tuple[int, ...]]) -> None:
        self._kinds = kinds
        self.used = 0
        for name, (kind, shape) in kinds.items():
            setattr(self, name, np.zeros((64, *shape), dtype=kind))

    def add(self, count: int) -> int:
        """The number of the first of so many new rows."""
        row, self.used = self.used, self.used + count
        room = len(getattr(self, next(iter(self._kinds))))
        if self.used > room:
            for name, (kind, shape) in self._kinds.items():
                size = max(2 * room, self.used)
                grown: npt.NDArray[Any] = np.zeros((size, *shape), dtype=kind)
                grown[:room] = getattr(self, name)
                setattr(self, name, grown)
        return row

    def __getattr__(self, name: str) -> npt.NDArray[np.int64]:
        raise AttributeError(name)
