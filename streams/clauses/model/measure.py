"""A measured value, the verdict on it, and its state while the month is running."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal, localcontext
from functools import lru_cache
from typing import Final, Literal, assert_never

from mailsla.schemas.calendars import Calendars
from mailsla.schemas.contract import Contract, Profile, Term
from mailsla.schemas.indicators import Comparator, Verdict
from mailsla.schemas.results import State
from mailsla.streams.clauses.facts.base import Facts
from mailsla.streams.clauses.model.contracts import Force
from mailsla.streams.clauses.model.exclusions import Exclusions
from mailsla.streams.time.calendar import SECOND, Period, local_day
from mailsla.streams.time.intervals import IntervalSet

Trend = Literal["rises", "falls", "moves"]
"""How a value can go on while nothing is taken back: a count or a duration only rises, what is
left of a whole (a ratio of the month, the days of the year) only falls, a mean moves both ways."""

MOST_EVIDENCE: Final = 20
_DEFAULT_PROFILE: Final = Profile()
_NINE_PLACES: Final = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class View:
    """From where an indicator is looked at: one tenant-month, known up to ``now_us``.

    For a closed month ``now_us`` is its end or later. ``versions`` are those in force in the month,
    where the contract changes in it.
    """

    contract: Contract
    period: Period
    now_us: int
    exclusions: Exclusions
    versions: tuple[Force, ...] = ()
    heard_until_us: int | None = None
    """Up to when a topic must have spoken; the end of the period where not given."""
    calendars: Calendars = field(default_factory=Calendars)
    """The working days by the names that contracts give."""

    @property
    def profile(self) -> Profile:
        """The readings of the governing contract."""
        return self.contract.profile

    @property
    def start_us(self) -> int:
        """Begin of the active part of the month."""
        return self.period.start_us

    @property
    def end_us(self) -> int:
        """End of the active part of the month."""
        return self.period.end_us

    @property
    def known_us(self) -> int:
        """Up to where intervals are measured: now, but within the period."""
        return min(max(self.now_us, self.start_us), self.end_us)

    def received_under(self, received_us: int) -> Contract:
        """The version by which the deadline of what came in at an instant runs.

        It is the one in force on that local day; before the active part of the month its first.
        """
        if len(self.versions) < 2:
            return self.contract
        day = local_day(received_us, self.period.zone)
        begun = [each.contract for each in self.versions if each.first <= day]
        return begun[-1] if begun else self.versions[0].contract

    def spoken(self, *facts: Facts) -> bool:
        """Whether the topic ever carried an event of these scopes before the month's end."""
        until_us = self.end_us if self.heard_until_us is None else self.heard_until_us
        return any(each.spoken_us is not None and each.spoken_us < until_us for each in facts)


@dataclass(frozen=True, slots=True)
class Measure:
    """One indicator of one tenant-month, as exact integers.

    The value is ``numerator / denominator`` in the indicator's unit, ``raw_*`` the same without
    exclusions; a denominator of 0 means there is no such value. ``excluded`` is what exclusions
    took (seconds, or a number of messages or days).

    While the month runs, ``impending`` says how many violations have used up the at-risk share
    of their time, and ``next_us`` is the next event time at which value or state change without
    any event. ``full`` is the numerator of a falling value when nothing is spent.
    """

    indicator: str
    trend: Trend
    numerator: int
    denominator: int
    raw_numerator: int
    raw_denominator: int
    excluded: Decimal = Decimal(0)
    full: int = 0
    evidence: tuple[str, ...] = ()
    evidence_count: int = 0
    impending: int = 0
    next_us: int | None = None
    spent: IntervalSet | None = None
    """Of a duration: the violating time of the month as far as it is foreseen."""
    settled_before: bool = False
    """Breached for good in an earlier month of the year, hence not judged again."""

    @property
    def has_data(self) -> bool:
        """Whether there is a value."""
        return self.denominator > 0

    @property
    def observed(self) -> Decimal | None:
        """The value cut to nine decimals, or ``None`` without data."""
        return quotient(self.numerator, self.denominator)

    @property
    def raw(self) -> Decimal | None:
        """The value without exclusions, cut to nine decimals; ``None`` without data of its own."""
        return quotient(self.raw_numerator, self.raw_denominator)

    @property
    def taken(self) -> Decimal | None:
        """What exclusions took; ``None`` without data."""
        return self.excluded if self.has_data else None


def quotient(numerator: int, denominator: int) -> Decimal | None:
    """The fraction truncated toward zero to nine decimals; ``None`` over zero."""
    if denominator == 0:
        return None
    with localcontext(prec=60):
        whole, rest = divmod(abs(numerator), denominator)
        part = (Decimal(rest) / Decimal(denominator)).quantize(_NINE_PLACES, ROUND_DOWN)
        value = Decimal(whole) + part if whole or part else Decimal(0)
        return value if numerator >= 0 else -value


def seconds(us: int) -> Decimal:
    """Microseconds as exact seconds."""
    return Decimal(us) / SECOND


def first_evidence(references: Iterable[str]) -> tuple[str, ...]:
    """The first references, at most `MOST_EVIDENCE`."""
    found: list[str] = []
    for each in references:
        if len(found) == MOST_EVIDENCE:
            break
        found.append(each)
    return tuple(found)


def earliest(instants: Iterable[int | None], after_us: int) -> int | None:
    """The first instant later than ``after_us``."""
    return min((each for each in instants if each is not None and each > after_us), default=None)


@lru_cache(maxsize=4096)
def _ratio(number: Decimal) -> tuple[int, int]:
    """A promised number as a fraction of whole numbers; contracts hold few different ones."""
    return number.as_integer_ratio()


def rounded_up(share: Decimal, whole: int) -> int:
    """So much of a whole, exact, rounded up."""
    above, below = _ratio(share)
    return -(-above * whole // below)


def holds(numerator: int, denominator: int, comparator: Comparator, target: Decimal) -> bool:
    """Whether a value meets a target, exactly; equality as the comparator says.

    Args:
        numerator: of the value.
        denominator: of the value, more than 0.
        comparator: how the value is to stand to the target.
        target: what was promised.

    """
    above, below = _ratio(target)
    value, limit = numerator * below, above * denominator
    match comparator:
        case "<":
            return value < limit
        case "<=":
            return value <= limit
        case ">=":
            return value >= limit
        case "=":
            return value == limit
        case _:
            assert_never(comparator)


def judge(measure: Measure, term: Term) -> Verdict:
    """The verdict on a closed month."""
    if not term.judged or measure.settled_before:
        return "not_judged"
    if not measure.has_data:
        return "no_data"
    if term.comparator is None or term.target is None:
        return "not_judged"
    met = holds(measure.numerator, measure.denominator, term.comparator, term.target)
    return "met" if met else "breached"


def live_state(
    measure: Measure,
    term: Term,
    profile: Profile = _DEFAULT_PROFILE,
    verdict: Verdict | None = None,
) -> State:
    """The state of a running month.

    A used-up budget is breached for good; a mean that misses its target is failing and may
    recover; a budget is at risk from the profile's share of it, or when what impends would bring
    it there.

    Args:
        measure: the value.
        term: what was promised.
        profile: the readings of the contract.
        verdict: what `judge` says, where it was asked already.

    """
    verdict = verdict or judge(measure, term)
    if verdict in {"not_judged", "no_data"}:
        return "ok"
    budget = Budget.of(measure, term)
    if budget is None:
        return "ok" if verdict == "met" else "failing"
    if budget.spent > budget.allowed:
        return "breached"
    return "at_risk" if budget.spent + measure.impending >= budget.risky(profile) else "ok"


def is_firm(measure: Measure, term: Term, profile: Profile) -> bool:
    """Whether the budget itself is at risk or used up, which time does not take back.

    A budget that allows nothing is never at risk itself, only what impends may put it there.
    """
    if not measure.has_data or not term.judged:
        return False
    budget = Budget.of(measure, term)
    return budget is not None and budget.allowed > 0 and budget.spent >= budget.risky(profile)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a month may spend of a violation, and what it has spent, in the numerator's unit."""

    spent: int
    allowed: int

    @classmethod
    def of(cls, measure: Measure, term: Term) -> "Budget | None":
        """The budget of a value that only rises or only falls; ``None`` if it can recover."""
        if term.target is None:
            return None
        if measure.trend == "rises" and term.comparator in {"<", "<=", "="}:
            if term.comparator == "<":
                return cls(measure.numerator, rounded_up(term.target, measure.denominator) - 1)
            above, below = _ratio(term.target)
            return cls(measure.numerator, above * measure.denominator // below)
        if measure.trend == "falls" and term.comparator == ">=":
            least = rounded_up(term.target, measure.denominator)
            return cls(measure.full - measure.numerator, measure.full - least)
        return None

    def risky(self, profile: Profile) -> int:
        """The amount from which the budget is at risk; with nothing allowed only the breach is."""
        if self.allowed <= 0:
            return self.allowed + 1
        return max(1, rounded_up(profile.at_risk_share, self.allowed))


def count_measure(
    indicator: str,
    count: int,
    has_data: bool,
    *,
    evidence: Sequence[str] = (),
    impending: int = 0,
    next_us: int | None = None,
    trend: Trend = "rises",
) -> Measure:
    """A number of violations; exclusions take none."""
    return Measure(
        indicator=indicator,
        trend=trend,
        numerator=count,
        denominator=int(has_data),
        raw_numerator=count,
        raw_denominator=int(has_data),
        evidence=first_evidence(evidence),
        evidence_count=len(evidence),
        impending=impending,
        next_us=next_us,
    )


def mean_measure(indicator: str, sum_us: int, count: int) -> Measure:
    """An arithmetic mean of durations in seconds; exclusions take none."""
    return Measure(
        indicator=indicator,
        trend="moves",
        numerator=sum_us,
        denominator=count * SECOND,
        raw_numerator=sum_us,
        raw_denominator=count * SECOND,
        evidence_count=count,
    )
