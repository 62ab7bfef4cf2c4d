"""The latency of an hour, a day or a month as it was measured, with the limits that held."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal, get_args

from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.plan.contract_segments import SegmentPeriod, micros, midnight_us
from mailsla.streams.web.readings.month import period_in

Stretch = Literal["hour", "day", "month"]
STRETCHES: Final = get_args(Stretch)
_BACK: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1)}

_NEWEST: Final = """
SELECT max(window_end), count()
FROM windows
WHERE tenant_id = {tenant:String} AND family = 'latency' AND window = '5m'
  AND window_end > fromUnixTimestamp64Micro({start:Int64}, 'UTC')
  AND window_end <= fromUnixTimestamp64Micro({end:Int64}, 'UTC')
"""
_WINDOWS: Final = """
SELECT toString(direction) AS direction, toUnixTimestamp64Milli(window_end) / 1000 AS at,
  mean_s, p95_s, max_s
FROM windows FINAL
WHERE tenant_id = {tenant:String} AND family = 'latency' AND window = {window:String}
  AND window_end > fromUnixTimestamp64Micro({start:Int64}, 'UTC')
  AND window_end <= fromUnixTimestamp64Micro({end:Int64}, 'UTC')
  AND ({window:String} = '5m' OR window_end = toStartOfHour(window_end))
ORDER BY direction, window_end
"""


@dataclass(frozen=True)
class Limit:
    """What one version of the contract promises ``[from_s, to_s)``, Unix seconds; limits in s."""

    version: int
    from_s: float
    to_s: float
    outbound: float | None
    inbound: float | None
    largest: float


def latencies(client: Client, tenant: str, month: date, stretch: Stretch) -> dict[str, Any]:
    """What the chart draws: for each direction the ends of windows with mean, p95 and max.

    The last hour or day are those up to the newest window of the month. An hour and a day have
    windows of five minutes, a month those of an hour.
    """
    period = period_in(client, tenant, month)
    start, end = period.start_us, period.end_us
    if stretch != "month":
        named = {"tenant": tenant, "start": start, "end": end}
        ((newest, count),) = client.query(_NEWEST, parameters=named).result_rows
        end = micros(newest) if count else end
        start = max(start, end - int(_BACK[stretch].total_seconds() * 1_000_000))
    window = "1h" if stretch == "month" else "5m"
    named = {"tenant": tenant, "start": start, "end": end, "window": window}
    series: dict[str, dict[str, list[float | None]]] = {
        direction: {name: [] for name in ("at", "mean", "p95", "max")}
        for direction in ("outbound", "inbound")
    }
    for direction, *values in client.query(_WINDOWS, parameters=named).result_rows:
        for column, value in zip(series[direction].values(), values, strict=True):
            column.append(value)
    return {
        **series,
        "from": start / 1e6,
        "to": end / 1e6,
        "zone": str(period.contract.zone),
        "limits": [vars(one) for one in limits(period, start, end)],
    }


def limits(period: SegmentPeriod, start_us: int, end_us: int) -> list[Limit]:
    """What holds of the segments of a contract within ``[start, end)``."""
    zone = period.contract.zone
    found = []
    for one in period.versions:
        first = max(start_us, midnight_us(one.first, zone))
        last = min(end_us, midnight_us(one.last, zone))
        if first < last:
            means = [one.contract.term(f"latency.{way}.mean").target for way in ("send", "receive")]
            sent, received = (None if mean is None else float(mean) for mean in means)
            largest = float(one.contract.profile.max_latency_s)
            version = one.contract.version
            found.append(Limit(version, first / 1e6, last / 1e6, sent, received, largest))
    return found
