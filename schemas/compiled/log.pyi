"""Types of the compiled module; what it does stands in `log.pyx`."""

import numpy as np
import numpy.typing as npt

def unpack(
    data: bytes | memoryview,
    offsets: npt.NDArray[np.int64],
    times_ms: npt.NDArray[np.int64],
    keys: list[bytes | None],
    values: list[bytes | None],
) -> bool: ...
