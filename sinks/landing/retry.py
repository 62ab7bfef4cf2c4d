"""How long to wait between tries: policy as data, randomness as an argument."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential from ``first_s`` to ``cap_s``; ``patience`` bounds tries of unclear failures.

    Rows land again within ``cap_s`` after ClickHouse takes them again, whatever it was away for.
    """

    first_s: float = 0.1
    cap_s: float = 5.0
    patience: int = 12

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait after that many failures in a row (≥ 1); ``chance`` is in [0, 1).

        Half of the wait is drawn, so that workers that failed together do not return together.
        """
        full = min(self.cap_s, self.first_s * 2.0 ** min(failures - 1, 32))
        return full * (0.5 + 0.5 * chance)


DEFAULT_RETRY = RetryPolicy()
