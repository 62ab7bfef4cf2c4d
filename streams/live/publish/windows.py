"""Connectivity and fault windows, and the outages, of one tenant as they stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from mailsla.schemas.results import Family
from mailsla.schemas.topics import OUTAGES, WINDOWS
from mailsla.streams.clauses.model.connectivity_timeline import Reading
from mailsla.streams.clauses.model.measure import View
from mailsla.streams.clauses.registry import Context
from mailsla.streams.clauses.sections import connectivity, operations
from mailsla.streams.clauses.sections.connectivity import OutageFact
from mailsla.streams.latency.windows.changes import HOUR_US, PANE_US
from mailsla.streams.live.publish.times import text_of
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.time.calendar import Month

_DAY_US: Final = 24 * HOUR_US
_SECOND: Final = 1_000_000

_Location = tuple[str, Family, str]


@dataclass(frozen=True, slots=True)
class _Window:
    """A window as it stands.

    ``told`` is all that makes it news, ``body`` its record but for whose it is.
    """

    family: Family
    name: str
    told: bytes
    body: bytes

    @classmethod
    def of(
        cls, family: Family, span: tuple[str, int, int], values: dict[str, object], now_us: int
    ) -> "_Window":
        """A window of some values over a span: name, first instant, first instant after it."""
        name, start, end = span
        document = {
            "family": family,
            "window": name,
            "window_start": text_of(start),
            "window_end": text_of(end),
            "as_of": text_of(now_us),
            **values,
        }
        return cls(family, name, orjson.dumps([start, values]), orjson.dumps(document)[1:])


@dataclass(frozen=True, slots=True)
class Observed:
    """Windows of a tenant as they stand, and its outages by id since an instant, µs."""

    windows: list[_Window]
    outages: dict[str, OutageFact]
    since_us: int


class ObservedWindows:
    """Windows and outages that changed since they were last published."""

    def __init__(self, tenants: Tenants, partition: int) -> None:
        self._tenants, self._partition = tenants, partition
        self._windows: dict[_Location, bytes] = {}
        self._outages: dict[str, dict[str, OutageFact]] = {}

    def look(self, tenant: str, month: Month, now_us: int) -> Observed:
        """What is to be seen of a tenant at an event time, and of all who stand like it."""
        context = self._tenants.context(tenant, month, now_us)
        reading = context.reading()
        windows = list(_look(context, reading, now_us))
        probes = (context.own.probes, context.platform.probes)
        since = context.period.start_us
        found = connectivity.outages(reading, probes, since, now_us)
        return Observed(windows, {each.outage_id: each for each in found}, since)

    def past_records(self, tenant: str, seen: Observed) -> Iterator[Outgoing]:
        """The windows of a month that is over, whether they changed or not: they seldom come."""
        return (self._record(tenant, one) for one in seen.windows)

    def records(self, tenant: str, seen: Observed, now_us: int) -> Iterator[Outgoing]:
        """What changed of a tenant, by what is to be seen of it at an event time."""
        for one in seen.windows:
            place = tenant, one.family, one.name
            if self._windows.get(place) != one.told:
                self._windows[place] = one.told
                yield self._record(tenant, one)
        if seen.outages or tenant in self._outages:
            yield from self._outages_of(tenant, seen, now_us)

    def _record(self, tenant: str, window: _Window) -> Outgoing:
        value = b'{"tenant_id":%b,%b' % (orjson.dumps(tenant), window.body)
        return Outgoing(WINDOWS.name, tenant.encode(), value, self._partition)

    def _outages_of(self, tenant: str, seen: Observed, now_us: int) -> Iterator[Outgoing]:
        found, since = seen.outages, seen.since_us
        told = self._outages.setdefault(tenant, {})
        for name, outage in found.items():
            known = told.get(name)
            if known == outage:
                continue
            if known is None:
                status = "opened" if outage.ended_us is None else "closed"
            elif known.ended_us is None and outage.ended_us is not None:
                status = "closed"
            else:
                status = "corrected"
            yield self._outage(tenant, outage, status, now_us)
        for name in told.keys() - found.keys():
            if (told[name].ended_us or now_us) > since:
                yield self._outage(tenant, told[name], "withdrawn", now_us)
        self._outages[tenant] = found

    def _outage(self, tenant: str, outage: OutageFact, status: str, now_us: int) -> Outgoing:
        ended = outage.ended_us
        document = {
            "tenant_id": tenant,
            "outage_id": outage.outage_id,
            "status": status,
            "started_at": text_of(outage.started_us),
            "ended_at": None if ended is None else text_of(ended),
            "capabilities": outage.capabilities,
            "evidence": outage.evidence,
            "as_of": text_of(now_us),
        }
        key = f"{tenant}/{outage.outage_id}".encode()
        return Outgoing(OUTAGES.name, key, orjson.dumps(document), self._partition)


def _look(context: Context, reading: Reading, now_us: int) -> Iterator[_Window]:
    """The windows of a month at an event time; of one that is over, that of all of it."""
    view = context.view()
    was_observed = reading.known.within(0, context.period.end_us) > 0
    for span in _spans(context, now_us):
        _, start, end = span
        if was_observed:
            values = _connectivity(reading, view, start, min(end, now_us))
            yield _Window.of("connectivity", span, values, now_us)
        if view.spoken(context.own.ops, context.platform.ops):
            values = _faults(context, view, start, min(end, now_us))
            yield _Window.of("fault", span, values, now_us)


def _spans(context: Context, now_us: int) -> Iterator[tuple[str, int, int]]:
    """The windows that hold an instant: short ones end at the next five minutes or hour."""
    yield "month", context.period.start_us, context.period.end_us
    if now_us >= context.period.end_us:
        return
    pane_end = (now_us // PANE_US + 1) * PANE_US
    hour_end = (now_us // HOUR_US + 1) * HOUR_US
    yield "5m", pane_end - PANE_US, pane_end
    yield "1h", pane_end - HOUR_US, pane_end
    yield "24h", hour_end - _DAY_US, hour_end


def _connectivity(reading: Reading, view: View, start: int, end: int) -> dict[str, object]:
    window = connectivity.window(reading, view, start, max(start, end))
    ratio = view.contract.term("connectivity.ratio")
    burn = connectivity.burn_rate(window.net_down_us, end - start, ratio)
    return {
        "state": window.condition,
        "down_s": window.down_us / _SECOND,
        "excluded_s": window.excluded_us / _SECOND,
        "net_down_s": window.net_down_us / _SECOND,
        "unobserved_s": window.unobserved_us / _SECOND,
        "burn_rate": None if burn is None else round(float(burn), 6),
    }


def _faults(context: Context, view: View, start: int, end: int) -> dict[str, object]:
    end = max(start + 1, end)
    window = operations.window(context.own.ops, context.platform.ops, view, start, end)
    return {
        "open_incidents": window.open_incidents,
        "fault_s": window.fault_us / _SECOND,
        "adjustment_s": window.adjustment_us / _SECOND,
        "availability": round(float(window.availability), 9),
    }
