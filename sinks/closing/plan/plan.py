"""The plan of a month: its tenants, their periods, promises and days, as rows. Pure."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from hashlib import blake2b
from typing import Any, Final

import orjson

from mailsla.schemas.calendars import CalendarError, Calendars
from mailsla.schemas.contract import DEADLINES, Contract
from mailsla.schemas.indicators import INDICATORS
from mailsla.sinks.closing.errors import TenantFailure
from mailsla.sinks.closing.plan.contract_segments import (
    SegmentPeriod,
    midnight_us,
    next_month,
    parts_of,
    period_of,
)
from mailsla.sinks.closing.plan.deadline_days import days_of

SECOND_US: Final = 1_000_000
HOUR_US: Final = 3_600 * SECOND_US
TARGET_DECIMALS: Final = 12

Row = dict[str, Any]


class PlanError(ValueError):
    """A contract asks for something that cannot be judged exactly; ``field`` is the one to mend."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True)
class Plan:
    """Rows of ``plan_tenants``, ``plan_terms`` and ``plan_days`` without month and plan number.

    ``failures`` are the tenants left out; the others do not wait for them. Anybody who may publish
    can invent tenants: so what is the same of many is held once, their rows are made one by one.
    """

    month: date
    periods: Mapping[str, SegmentPeriod]
    named: Sequence[tuple[str, Row]]
    """Each row of ``plan_tenants``: the tenant, and the rest."""
    terms: Sequence[Row]
    days: Sequence[Row]
    failures: Sequence[TenantFailure] = ()

    @property
    def tenants(self) -> Iterator[Row]:
        """The rows of ``plan_tenants``."""
        return ({"tenant_id": name, **row} for name, row in self.named)

    @property
    def undecided(self) -> bool:
        """Whether a deadline may hang on days that only a later notice decides."""
        return any(row["undecided"] for row in self.days)

    @property
    def content(self) -> str:
        """Digest of all rows, 32 hexadecimal digits."""
        digest = blake2b(b"[[", digest_size=16)
        for number, row in enumerate(self.tenants):
            digest.update((b"," if number else b"") + orjson.dumps(row, default=str))
        rest = orjson.dumps([self.terms, self.days, *map(str, self.failures)], default=str)
        digest.update(b"]," + rest[1:])
        return digest.hexdigest()


class _Shared:
    """Numbers groups of rows in order of appearance, so that tenants alike share one group."""

    def __init__(self, rows_of: Callable[[SegmentPeriod], list[Row]], column: str) -> None:
        self._rows_of = rows_of
        self._column = column
        self._numbers: dict[Hashable, int] = {}
        self.rows: list[Row] = []

    def number(self, key: Hashable, period: SegmentPeriod) -> int:
        """The number of the group of ``key``; its rows are made at its first appearance."""
        if key not in self._numbers:
            rows = self._rows_of(period)
            self._numbers[key] = number = len(self._numbers) + 1
            self.rows.extend({self._column: number, **row} for row in rows)
        return self._numbers[key]


def make_plan(
    month: date,
    tenants: Iterable[str],
    versions: Mapping[str, Sequence[Contract]],
    calendars: Calendars | None = None,
    failures: Iterable[TenantFailure] = (),
) -> Plan:
    """The plan of ``tenants`` in the month that begins on ``month``.

    Whoever cannot be judged is left out and named, such as for a calendar that is unknown.

    Args:
        month: first day of the month.
        tenants: who is judged.
        versions: tenant_id → every version of its contract.
        calendars: the working days by the names that contracts give; none published by default.
        failures: tenants that cannot be judged, as is known already.

    """
    known = calendars or Calendars()
    terms = _Shared(_term_rows, "terms")
    days = _Shared(lambda period: _day_rows(period, known), "days")
    alike: dict[bytes, Row] = {}

    def planned(tenant_id: str, every: Sequence[Contract]) -> tuple[SegmentPeriod, list[Row]]:
        whole = period_of(tenant_id, every, month)
        own = []
        for part, (period, judges) in enumerate([(whole, []), *parts_of(whole)]):
            row = _tenant_row(period) | _part_columns(part, period, judges)
            row["terms"] = terms.number(_terms_key(period.contract), period)
            row["days"] = days.number(_days_key(period), period)
            own.append(alike.setdefault(orjson.dumps(row), row))
        return whole, own

    by_default = cache(lambda: planned("-", ()))
    rows: list[tuple[str, Row]] = []
    periods: dict[str, SegmentPeriod] = {}
    failed = {each.tenant_id: each for each in failures}
    for tenant_id in sorted(set(tenants) - set(failed)):
        every = versions.get(tenant_id)
        try:
            whole, own = planned(tenant_id, every) if every else by_default()
        except (CalendarError, PlanError) as error:
            field = error.field if isinstance(error, PlanError) else "calendar"
            failed[tenant_id] = TenantFailure(tenant_id, field, str(error))
        else:
            periods[tenant_id] = whole
            rows += ((tenant_id, row) for row in own)
    left_out = [failed[tenant_id] for tenant_id in sorted(failed)]
    return Plan(month, periods, rows, terms.rows, days.rows, left_out)


def _tenant_row(period: SegmentPeriod) -> Row:
    contract, profile = period.contract, period.contract.profile
    year = period.month.year
    return {
        "contract_version": contract.version,
        "profile": profile.label,
        "timezone": contract.timezone,
        "start_us": period.start_us,
        "end_us": period.end_us,
        "max_latency_us": profile.max_latency_s * SECOND_US,
        "probe_hold_factor": profile.probe_hold_factor,
        "operations_exclusions": list(profile.operations_exclusions),
        "approval": list(profile.approval),
        "notice_us": profile.notice_days * 24 * HOUR_US,
        **_maintenance(contract, year),
        "outbreak_updates": profile.outbreak_updates,
        **_allowed(period.versions[0].contract),
        "year_days": (date(year + 1, 1, 1) - date(year, 1, 1)).days,
    }


def _maintenance(contract: Contract, year: int) -> Row:
    """A message of December may be left out for what is excluded in the next year."""
    hours = contract.profile.max_hours_per_year
    if hours is None:
        return {}
    new_years = (date(each, 1, 1) for each in (year, year + 1, year + 2))
    return {
        "maintenance_us": hours * HOUR_US,
        "maintenance_years": [midnight_us(day, contract.zone) for day in new_years],
    }


def _allowed(contract: Contract) -> Row:
    profile = contract.profile
    return {
        "own_domain_us": profile.own_domain_hours * HOUR_US,
        "new_domain_us": profile.new_domain_hours * HOUR_US,
    }


def _part_columns(part: int, period: SegmentPeriod, judges: Sequence[str]) -> Row:
    """What only months have in which the contract changes; the others leave the defaults."""
    if len(period.versions) == 1:
        return {}
    zone = period.contract.zone
    return {
        "part": part,
        "judges": judges,
        "first_day": period.first.isoformat(),
        "last_day": period.last.isoformat(),
        "heard_until_us": midnight_us(period.versions[-1].last, zone),
        "changes": [
            {"from_us": midnight_us(span.first, zone), **_allowed(span.contract)}
            for span in period.versions[1:]
        ],
    }


def _terms_key(contract: Contract) -> Hashable:
    return tuple(sorted((name, repr(change)) for name, change in contract.overrides.items()))


def _term_rows(period: SegmentPeriod) -> list[Row]:
    rows = []
    for name in INDICATORS:
        term = period.contract.term(name)
        rows.append(
            {
                "indicator": name,
                "section": term.section,
                "unit": term.unit,
                "comparator": term.comparator,
                "target": None if term.target is None else _exact(name, term.target),
                "remedy": term.remedy,
                "judged": term.judged,
            }
        )
    return rows


def _exact(indicator: str, target: Decimal) -> str:
    digits = target.normalize().as_tuple()
    if not target.is_finite() or -int(digits.exponent) > TARGET_DECIMALS or abs(target) >= 10**18:
        raise PlanError(
            f"overrides.{indicator}.target",
            f"The target {target} of {indicator} cannot be judged exactly; "
            f"use at most {TARGET_DECIMALS} decimals and 18 digits before them.",
        )
    return f"{target:f}"


def _days_key(period: SegmentPeriod) -> Hashable:
    contract, profile = period.contract, period.contract.profile
    deadlines = tuple((span.first, span.contract.reading(DEADLINES)) for span in period.versions)
    # What lies outside these years cannot reach the month, but would tell equal tenants apart.
    first, last = period.month - timedelta(days=3700), next_month(period.month)
    served = tuple(
        (max(begin, first), min(end, last))
        for begin, end in period.served
        if begin < last and end > first
    )
    return (
        contract.timezone,
        (period.first, period.last, served),
        deadlines,
        profile.full_backup_days,
        profile.account_retention_days,
    )


def _day_rows(period: SegmentPeriod, calendars: Calendars) -> list[Row]:
    return [{**asdict(day), "day": day.day.isoformat()} for day in days_of(period, calendars)]
