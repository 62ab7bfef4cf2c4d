"""Which contract governs a tenant's month, and which part of the month is the tenant's. Pure.

A month in which the contract changes is cut into parts, indicator by indicator: neighbouring
versions that promise and read the same of an indicator are one part of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from mailsla.schemas.contract import Contract, default_contract
from mailsla.schemas.indicators import INDICATORS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """µs since 1970 of an aware time."""
    return (moment - _EPOCH) // _MICROSECOND


def instant(us: int) -> datetime:
    """The aware UTC time that many µs after 1970."""
    return _EPOCH + us * _MICROSECOND


def midnight_us(day: date, zone: ZoneInfo) -> int:
    """The first instant of a local day, µs since 1970."""
    return micros(datetime(day.year, day.month, day.day, tzinfo=zone))


def next_month(month: date) -> date:
    """The first day of the month after ``month``."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


@dataclass(frozen=True)
class SegmentSpan:
    """Days ``[first, last)`` in which one version of a contract is in force."""

    contract: Contract
    first: date
    last: date


@dataclass(frozen=True)
class SegmentPeriod:
    """A tenant's active part ``[first, last)`` of its local month, and all its active spans."""

    contract: Contract
    month: date
    first: date
    last: date
    served: tuple[tuple[date, date], ...]
    """Days ``[first, last)`` served, in any month; clipped by whoever asks."""
    versions: tuple[SegmentSpan, ...]
    """What is in force in the active part of the month, without gaps: each until the next."""

    @property
    def start_us(self) -> int:
        """The first instant of the active part."""
        return midnight_us(self.first, self.contract.zone)

    @property
    def end_us(self) -> int:
        """The first instant after the active part."""
        return midnight_us(self.last, self.contract.zone)

    def received_under(self, day: date) -> Contract:
        """The version by which the deadlines of what came in on a day run.

        It is the one in force on that day; for days before the active part its first one.
        """
        begun = [span for span in self.versions if span.first <= day]
        return (begun or self.versions)[-1 if begun else 0].contract


def spans_in_force(versions: Iterable[Contract]) -> list[SegmentSpan]:
    """The versions of one tenant's contract with their days; a later one ends the earlier."""
    newest = {contract.version: contract for contract in versions}
    ordered = sorted(newest.values(), key=lambda c: (c.effective_from, c.version))
    spans = []
    for position, contract in enumerate(ordered):
        last = contract.effective_to or date.max
        if position + 1 < len(ordered):
            last = min(last, ordered[position + 1].effective_from)
        if contract.effective_from < last:
            spans.append(SegmentSpan(contract, contract.effective_from, last))
    return spans


def period_of(tenant_id: str, versions: Sequence[Contract], month: date) -> SegmentPeriod:
    """The tenant's period; the default contract where no version covers any of the month."""
    after = next_month(month)
    every = spans_in_force(versions)
    spans = [span for span in every if span.first < after and span.last > month]
    if not spans:
        contract = default_contract(tenant_id)
        whole = SegmentSpan(contract, month, after)
        return SegmentPeriod(contract, month, month, after, ((date.min, date.max),), (whole,))
    first, last = max(month, spans[0].first), min(after, spans[-1].last)
    served = ((first, last), *((span.first, span.last) for span in every))
    edges = pairwise((first, *(span.first for span in spans[1:]), last))
    cut = tuple(SegmentSpan(one.contract, *days) for one, days in zip(spans, edges, strict=True))
    return SegmentPeriod(spans[-1].contract, month, first, last, served, cut)


def parts_of(period: SegmentPeriod) -> list[tuple[SegmentPeriod, list[str]]]:
    """The parts of a month in which the contract changes, each with the indicators it is one of.

    An indicator has at least two parts or none. The month is cut in the governing zone throughout;
    the contract of a part is the last version in it.
    """
    parts: dict[tuple[int, int], list[str]] = {}
    if len(period.versions) > 1:
        for name, indicator in INDICATORS.items():
            runs = list(_runs(period.versions, name)) if indicator.additive else []
            for run in runs if len(runs) > 1 else ():
                parts.setdefault(run, []).append(name)
    return [(_cut(period, *run), parts[run]) for run in sorted(parts)]


def _runs(versions: Sequence[SegmentSpan], indicator: str) -> Iterator[tuple[int, int]]:
    """Places ``[first, end)`` of neighbouring versions that judge an indicator alike."""
    begin = 0
    for place in range(1, len(versions) + 1):
        if place == len(versions) or not versions[place].contract.judges_alike(
            versions[place - 1].contract, indicator
        ):
            yield begin, place
            begin = place


def _cut(period: SegmentPeriod, begin: int, end: int) -> SegmentPeriod:
    zone = {"timezone": period.contract.timezone}
    contract = period.versions[end - 1].contract.model_copy(update=zone)
    first, last = period.versions[begin].first, period.versions[end - 1].last
    return replace(period, contract=contract, first=first, last=last)


def governing_versions(
    tenant_id: str, versions: Sequence[Contract], month: date
) -> tuple[Contract, ...]:
    """The versions a tenant's month is judged by: its own, or else the default contract."""
    own = covers(versions, month)
    return tuple(versions) if own else (default_contract(tenant_id),)


def covers(versions: Sequence[Contract], month: date) -> bool:
    """Whether some version is in force on a day of the month."""
    after = next_month(month)
    return any(span.first < after and span.last > month for span in spans_in_force(versions))
