"""Latency windows as records of ``sla.windows``."""

from typing import Final

from mailsla.schemas.codec.kept_json import kept_json
from mailsla.schemas.topics import WINDOWS
from mailsla.streams.latency.windows.window_kinds import LatencyWindow
from mailsla.streams.live.publish.times import text_of
from mailsla.streams.runtime.checkpoint.writer import Outgoing

_DIRECTIONS: Final = ("outbound", "inbound")
_MICROS: Final = 1_000_000


def latency_record(window: LatencyWindow, tenant: str, as_of: str, partition: int) -> Outgoing:
    """The record of one window; means and quantiles are null without a message.

    Args:
        window: its series, span and sums.
        tenant: whose it is.
        as_of: up to which event time it is known.
        partition: where it is published.

    """
    count = window.count
    p50, p95, p99 = window.quantiles_s
    document = {
        "tenant_id": tenant,
        "family": "latency",
        "direction": _DIRECTIONS[window.series % 2],
        "window": window.window,
        "window_start": text_of(window.start_us),
        "window_end": text_of(window.end_us),
        "as_of": as_of,
        "revision": window.revision,
        "count": count,
        "mean_s": window.sum_us / count / _MICROS if count else None,
        "max_s": window.max_us / _MICROS if count else None,
        "exceedances": window.exceedances,
        "p50_s": round(p50, 6) if count else None,
        "p95_s": round(p95, 6) if count else None,
        "p99_s": round(p99, 6) if count else None,
    }
    return Outgoing(WINDOWS.name, tenant.encode(), kept_json(document), partition)
