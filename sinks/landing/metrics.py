"""Counters of the landing, for the health page and the metrics endpoint."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


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

    def problems(self) -> dict[str, tuple[float, str]]:
        """What keeps rows from landing: since when (monotonic), and the sentence."""
        if self.down_since is None:
            return {}
        return {"landing": (self.down_since, "ClickHouse takes no rows; see mailsla doctor")}


class LandingCollector(Collector):
    """The totals as metrics, read when they are asked for."""

    def __init__(self, metrics: LandingMetrics) -> None:
        self._metrics: Final = metrics

    def collect(self) -> Iterable[Metric]:
        """Every metric of the landing."""
        metrics = self._metrics
        for name, meaning, label, counts in (
            ("mailsla_landed_rows", "Rows landed", "table", metrics.rows),
            ("mailsla_rejected_records", "Records refused by the sinks", "topic", metrics.rejected),
            ("mailsla_tombstones", "Records without a value", "topic", metrics.tombstones),
        ):
            family = CounterMetricFamily(name, meaning, labels=[label])
            for key, count in sorted(counts.items()):
                family.add_metric([key], count)
            yield family
        yield CounterMetricFamily("mailsla_landed_blocks", "Inserts made", value=metrics.blocks)
        yield CounterMetricFamily(
            "mailsla_clickhouse_errors", "Inserts that failed and were tried again",
            value=metrics.retries,
        )  # fmt: skip
        yield GaugeMetricFamily(
            "mailsla_landing_lag_seconds",
            "Age of the newest record of the last landed batch when it had landed",
            value=metrics.lag_s,
        )
        down = metrics.down_since
        yield GaugeMetricFamily(
            "mailsla_clickhouse_down_seconds",
            "For how long ClickHouse has taken no rows",
            value=0.0 if down is None else time.monotonic() - down,
        )
