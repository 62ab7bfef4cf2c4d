"""Counters of the landing, for the health page and the metrics endpoint."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class LandingMetrics:
    """Totals since the start; one instance per worker.

    ``lag_s`` is how old the newest record of the last landed batch was when it had landed;
    ``down_since`` the monotonic time since which ClickHouse takes nothing, or None.
    """

    rows: Counter[str] = field(default_factory=Counter)
    """table → rows landed."""
    rejected: Counter[str] = field(default_factory=Counter)
    """topic → records refused."""
    tombstones: Counter[str] = field(default_factory=Counter)
    """topic → records without a value."""
    blocks: int = 0
    retries: int = 0
    lag_s: float = 0.0
    down_since: float | None = None

    @property
    def total_rows(self) -> int:
        """Rows landed in all tables."""
        return self.rows.total()
