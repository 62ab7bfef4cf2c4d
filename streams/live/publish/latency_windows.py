"""Latency windows as records of ``sla.windows``."""

from collections.abc import Iterable, Sequence
from typing import Final

import orjson

from mailsla.schemas.topics import WINDOWS
from mailsla.streams.latency.windows.window_kinds import LatencyWindow
from mailsla.streams.live.publish.times import text_of
from mailsla.streams.runtime.checkpoint.writer import Outgoing

_DIRECTIONS: Final = (b"outbound", b"inbound")
_MICROS: Final = 1_000_000
_VALUE: Final = b'{"tenant_id":"%b","family":"latency","direction":"%b",%b,%b}'
"""A tenant's id needs no quoting: it has letters, digits, and three signs."""


def latency_records(
    windows: Iterable[LatencyWindow], names: Sequence[str], as_of: str, partition: int
) -> list[Outgoing]:
    """The records of some windows; means and quantiles are null without a message.

    There are very many of them, and few that lie differently: what is said of where one lies is
    written once, and everything else put into one form of words.

    Args:
        windows: their series, spans and sums.
        names: the ids of the tenants, by their numbers.
        as_of: up to which event time they are known.
        partition: where they are published.

    """
    topic, spans, records = WINDOWS.name, dict[tuple[str, int, int], bytes](), list[Outgoing]()
    places, values = list[tuple[bytes, bytes, bytes]](), list[dict[str, float | None]]()
    for series, kind, start, end, count, sum_us, max_us, over, quantiles_s, turn in windows:
        span = spans.get((kind, start, end))
        if span is None:
            document = {
                "window": kind,
                "window_start": text_of(start),
                "window_end": text_of(end),
                "as_of": as_of,
            }
            span = spans[kind, start, end] = orjson.dumps(document)[1:-1]
        places.append((names[series // 2].encode(), _DIRECTIONS[series % 2], span))
        p50, p95, p99 = quantiles_s if count else (None, None, None)
        values.append(
            {
                "revision": turn,
                "count": count,
                "mean_s": sum_us / count / _MICROS if count else None,
                "max_s": max_us / _MICROS if count else None,
                "exceedances": over,
                "p50_s": p50,
                "p95_s": p95,
                "p99_s": p99,
            }
        )
    # All numbers are written in one call: there are no braces within.
    written = orjson.dumps(values)[2:-2].split(b"},{") if values else []
    for (tenant, way, span), said in zip(places, written, strict=True):
        value = _VALUE % (tenant, way, span, said)
        records.append(Outgoing(topic, tenant, value, partition))
    return records
