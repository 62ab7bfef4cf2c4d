"""When a receiver that failed is tried again: policy as data, chance as an argument. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """From ``first_s``, doubled with every failure in a row, to ``cap_s``."""

    first_s: float = 0.5
    cap_s: float = 60.0

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait after that many failures in a row (≥ 1); ``chance`` is in [0, 1).

        Half of it is drawn, so that routes that failed together do not return together.
        """
        full = min(self.cap_s, self.first_s * 2.0 ** min(failures - 1, 16))
        return full * (0.5 + chance / 2)
