"""Which contract governs a tenant's month, and which part of the month is the tenant's. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from schemas.contract import Contract, default_contract

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """µs since 1970 of an aware time."""
    return (moment - _EPOCH) // _MICROSECOND


def midnight_us(day: date, zone: ZoneInfo) -> int:
    """The first instant of a local day, µs since 1970."""
    return micros(datetime(day.year, day.month, day.day, tzinfo=zone))


def next_month(month: date) -> date:
    """The first day of the month after ``month``."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


@dataclass(frozen=True)
class Span:
    """Days ``[first, last)`` in which one version of a contract is in force."""

    contract: Contract
    first: date
    last: date


@dataclass(frozen=True)
class Period:
    """A tenant's active part ``[first, last)`` of its local month, and all its active spans."""

    contract: Contract
    month: date
    first: date
    last: date
    served: tuple[tuple[date, date], ...]
    """Days ``[first, last)`` served, in any month; clipped by whoever asks."""

    @property
    def start_us(self) -> int:
        """The first instant of the active part."""
        return midnight_us(self.first, self.contract.zone)

    @property
    def end_us(self) -> int:
        """The first instant after the active part."""
        return midnight_us(self.last, self.contract.zone)


def spans_in_force(versions: Iterable[Contract]) -> list[Span]:
    """The versions of one tenant's contract with their days; a later one ends the earlier."""
    newest = {contract.version: contract for contract in versions}
    ordered = sorted(newest.values(), key=lambda c: (c.effective_from, c.version))
    spans = []
    for position, contract in enumerate(ordered):
        last = contract.effective_to or date.max
        if position + 1 < len(ordered):
            last = min(last, ordered[position + 1].effective_from)
        if contract.effective_from < last:
            spans.append(Span(contract, contract.effective_from, last))
    return spans


def period_of(tenant_id: str, versions: Sequence[Contract], month: date) -> Period:
    """The tenant's period; the default contract where no version covers any of the month."""
    after = next_month(month)
    every = spans_in_force(versions)
    spans = [span for span in every if span.first < after and span.last > month]
    if not spans:
        whole = ((date.min, date.max),)
        return Period(default_contract(tenant_id), month, month, after, whole)
    first, last = max(month, spans[0].first), min(after, spans[-1].last)
    served = ((first, last), *((span.first, span.last) for span in every))
    return Period(spans[-1].contract, month, first, last, served)


def covers(versions: Sequence[Contract], month: date) -> bool:
    """Whether some version is in force on a day of the month."""
    after = next_month(month)
    return any(span.first < after and span.last > month for span in spans_in_force(versions))
