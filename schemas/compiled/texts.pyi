"""Types of the compiled module; what it does stands in `texts.pyx`."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_Bytes = npt.NDArray[np.uint8]
_Offsets = npt.NDArray[np.int32]
_UInt64s = npt.NDArray[np.uint64]

class Reader:
    def __init__(self, names: Sequence[bytes], whole: Sequence[bool]) -> None: ...
    def read(
        self, values: list[bytes | None], longest: int
    ) -> tuple[list[pa.Array], pa.Buffer]: ...

def hash_texts(
    offsets: _Offsets, data: _Bytes, salt: int, weights: _UInt64s, hashes: _UInt64s
) -> None: ...
def instants(offsets: _Offsets, data: _Bytes, found_us: npt.NDArray[np.int64]) -> None: ...
