"""Exact values, how they are shown, and their verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Context, Decimal
from fractions import Fraction
from typing import NamedTuple

from mailsla.schemas.contract import Term
from mailsla.schemas.indicators import Verdict
from mailsla.schemas.remedies import Remedy
from tests.reference.instants import SECOND
from tests.reference.period import Period

NINE_PLACES = Decimal("1e-9")
WIDE = Context(prec=60)


class Part(NamedTuple):
    """What is said of a part ``[first, end)`` of a month that one version judges."""

    version: int
    first: date
    end: date
    observed: Decimal | None
    target: Decimal | None
    comparator: str | None
    verdict: Verdict


class Finding(NamedTuple):
    """What the reference says of one indicator of one tenant in one month."""

    observed: Decimal | None
    raw: Decimal | None
    excluded: Decimal | None
    verdict: Verdict


class Judged(NamedTuple):
    """A finding with the remedy of its section, and with the parts its verdict is made of."""

    finding: Finding
    remedy: Remedy
    parts: tuple[Part, ...] = ()

    @property
    def observed(self) -> Decimal | None:
        return self.finding.observed

    @property
    def raw(self) -> Decimal | None:
        return self.finding.raw

    @property
    def excluded(self) -> Decimal | None:
        return self.finding.excluded

    @property
    def verdict(self) -> Verdict:
        return self.finding.verdict


@dataclass(frozen=True)
class Value:
    """An exact value with and without exclusions; ``settled`` where it is judged no more.

    ``excluded`` is what exclusions took: seconds, messages or days.
    """

    observed: Fraction | None
    raw: Fraction | None
    excluded: Fraction | None = Fraction(0)
    settled: bool = False


NOTHING = Value(None, None, None)


def plain(value: int | Fraction) -> Value:
    """A value that exclusions do not touch."""
    return Value(Fraction(value), Fraction(value))


def duration(net_us: int, raw_us: int | None = None) -> Value:
    """A duration in seconds, from µs."""
    raw = net_us if raw_us is None else raw_us
    return Value(Fraction(net_us, SECOND), Fraction(raw, SECOND), Fraction(raw - net_us, SECOND))


def mean_seconds(samples_us: list[int]) -> Fraction | None:
    """The exact mean in seconds of samples in µs, or None without a sample."""
    return Fraction(sum(samples_us), len(samples_us) * SECOND) if samples_us else None


def shown(value: Fraction | None) -> Decimal | None:
    """A value as written: truncated toward zero to nine decimals."""
    if value is None:
        return None
    exact = WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))
    return exact.quantize(NINE_PLACES, ROUND_DOWN, WIDE)


def verdict(value: Value, term: Term) -> Verdict:
    """The verdict on an exact value under a term of the contract."""
    if not term.judged or value.settled:
        return "not_judged"
    if value.observed is None:
        return "no_data"
    return "met" if keeps(value.observed, term) else "breached"


def keeps(observed: Fraction, term: Term) -> bool:
    """Whether an exact value keeps the term's target; a term without one is always kept."""
    if term.target is None:
        return True
    target = Fraction(term.target)
    return {
        "<": observed < target,
        "<=": observed <= target,
        ">=": observed >= target,
        "=": observed == target,
    }[str(term.comparator)]


def finding(value: Value, term: Term) -> Finding:
    """An exact value as the finding that is compared with the other implementations."""
    return Finding(
        shown(value.observed), shown(value.raw), shown(value.excluded), verdict(value, term)
    )


def judged(
    whole: Finding, governing: Term, parts: Sequence[tuple[Finding, Term, Period]]
) -> Judged:
    """The finding of a month, its verdict made of those of its parts where it has several."""
    if len(parts) == 1:
        return Judged(whole, governing.remedy)
    verdicts = [found.verdict for found, _, _ in parts]
    made = min(verdicts, key=("breached", "met", "no_data", "not_judged").index)
    remedy = governing.remedy
    if made == "breached" and verdicts[-1] != "breached":
        remedy = parts[verdicts.index("breached")][1].remedy
    told = tuple(
        Part(
            period.contract.version,
            period.first,
            period.last,
            found.observed,
            term.target,
            term.comparator,
            found.verdict,
        )
        for found, term, period in parts
    )
    return Judged(whole._replace(verdict=made), remedy, told)
