"""How each indicator's value comes of its evidence rows: the arithmetic of the agreement. Pure.

An evidence row has an ``amount`` and what of it is ``excused`` (µs of a length of time, else a
number), and ``counts`` or does not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from mailsla.schemas.indicators import INDICATORS

_S: Final = 1_000_000


@dataclass(frozen=True)
class Sums:
    """What a tenant's evidence rows of one indicator add up to; amounts of the rows that count.

    ``rest``: the amounts of the rows that do not. ``length_us``: the active part of the month.
    """

    rows: int
    counting: int
    amount: int
    excused: int
    largest: int
    rest: int
    length_us: int
    year_days: int


@dataclass(frozen=True)
class Outcome:
    """A value in the indicator's unit, None where there is nothing to divide by, and its sum."""

    value: Fraction | None
    arithmetic: str


@dataclass(frozen=True)
class Formula:
    """One kind of arithmetic, with the agreement's reading in words."""

    work_out: Callable[[Sums], Outcome]
    reading: str
    rows: str
    """What one evidence row is."""

    @property
    def timed(self) -> bool:
        """Whether amounts are lengths of time, in µs."""
        return self.work_out in {_net, _share_left, _share, _mean, _largest, _days_left}


def seconds(us: int) -> str:
    """µs as seconds in plain decimals."""
    whole, part = divmod(us, _S)
    return f"{whole}.{part:06d}".rstrip("0").rstrip(".") + " s"


def _net(sums: Sums) -> Outcome:
    net = sums.amount - sums.excused
    return Outcome(
        Fraction(net, _S),
        f"Σ {seconds(sums.amount)} - excluded {seconds(sums.excused)}",
    )


def _share_left(sums: Sums) -> Outcome:
    net = sums.amount - sums.excused
    return Outcome(
        1 - Fraction(net, sums.length_us),
        f"1 - (Σ {seconds(sums.amount)} - excluded {seconds(sums.excused)}) "
        f"÷ {seconds(sums.length_us)}",
    )


def _share(sums: Sums) -> Outcome:
    return Outcome(
        Fraction(sums.amount, sums.length_us),
        f"Σ {seconds(sums.amount)} ÷ {seconds(sums.length_us)}",
    )


def _mean(sums: Sums) -> Outcome:
    value = Fraction(sums.amount, sums.counting * _S) if sums.counting else None
    return Outcome(value, f"Σ {seconds(sums.amount)} ÷ {sums.counting}")


def _largest(sums: Sums) -> Outcome:
    value = Fraction(sums.largest, _S) if sums.counting else None
    return Outcome(value, f"the largest of {sums.counting}")


def _count(sums: Sums) -> Outcome:
    return Outcome(Fraction(sums.amount), f"{sums.amount} of the rows counted one by one")


def _rows(sums: Sums) -> Outcome:
    return Outcome(Fraction(sums.counting), f"{sums.counting} of {sums.rows} rows")


def _days_left(sums: Sums) -> Outcome:
    left = sums.year_days - sums.counting
    return Outcome(
        Fraction(left), f"{sums.year_days} days of the year - {sums.counting} with a fault"
    )


def _rate(sums: Sums) -> Outcome:
    charged = sums.amount + sums.rest
    value = Fraction(sums.amount, charged) if charged else None
    return Outcome(value, f"{sums.amount} customers billed wrong ÷ {charged} charged")


_CUT_OFF: Final = (
    "down while sending or receiving, inside or outside the domain, fails through every channel "
    "tested; a result holds for two of its intervals unless the profile says otherwise",
    "a stretch of time down",
)
_MESSAGE: Final = (
    "each message of the month once per recipient, first attempt or delivery; left out when "
    "liable or accepted and finished across an exclusion",
    "a message",
)
_INTERVALS: Final = (
    "incidents from their earliest opening to their earliest closing, cut at the period's edges, "
    "overlaps once",
    "an interval",
)
_CASE: Final = ("cases whose deadline is in the month; answered at or after it is late", "a case")
_PAGES: Final = ("the tenant's own samples of the month, or else the platform's", "a page load")
_SCANS: Final = ("scan records of the month", "a scan")
_DAYS: Final = ("local days of the active part; a day without counts", "a day")
_KEPT: Final = ("what was destroyed in the month; too early counts", "a backup or an account")
_ORDER: Final = (
    "orders whose deadline is in the month; done at the later of opening and notice",
    "an order",
)
_WEEK: Final = ("local weeks, Monday to Sunday, of the month of their Sunday", "a week")

FORMULAS: Final[Mapping[str, Formula]] = {
    "connectivity.downtime": Formula(_net, *_CUT_OFF),
    "connectivity.ratio": Formula(_share_left, *_CUT_OFF),
    "latency.send.mean": Formula(_mean, *_MESSAGE),
    "latency.receive.mean": Formula(_mean, *_MESSAGE),
    "latency.exceedances": Formula(
        _count,
        "messages over the maximum latency, and those still on their way longer than it",
        "a message",
    ),
    "latency.send.max": Formula(_largest, *_MESSAGE),
    "latency.receive.max": Formula(_largest, *_MESSAGE),
    "operations.fault_duration": Formula(_net, *_INTERVALS),
    "operations.adjustment_duration": Formula(_net, *_INTERVALS),
    "operations.availability": Formula(_share_left, *_INTERVALS),
    "operations.fault_free_days": Formula(
        _days_left, "a fault spoils every local day of the year that it touches", "a spoiled day"
    ),
    "operations.billing_error_rate": Formula(
        _rate, "distinct customers of the whole platform charged for the month", "a customer"
    ),
    "operations.page_load.narrowband": Formula(_mean, *_PAGES),
    "operations.page_load.broadband": Formula(_mean, *_PAGES),
    "operations.monitoring": Formula(
        _share, "a heartbeat covers two of its intervals; overlaps once", "a stretch monitored"
    ),
    "antispam.complaint_response": Formula(_rows, *_CASE),
    "antispam.result_notice": Formula(_rows, *_CASE),
    "antispam.blocklist_processing": Formula(_rows, *_CASE),
    "antispam.listing_report": Formula(_rows, *_CASE),
    "antispam.foreign_source_report": Formula(
        _rows, "sources confirmed in the month and not reported to all three", "a source"
    ),
    "antivirus.definition_updates": Formula(_rows, *_WEEK),
    "antivirus.outbreak_updates": Formula(_rows, *_WEEK),
    "antivirus.unscanned": Formula(_count, *_SCANS),
    "antivirus.policy_mismatch": Formula(_count, *_SCANS),
    "antivirus.scan_delay": Formula(_mean, *_SCANS),
    "security.incidents": Formula(_rows, "distinct incidents of the month", "an incident"),
    "backup.incremental": Formula(_rows, *_DAYS),
    "backup.full": Formula(_rows, *_DAYS),
    "backup.retention": Formula(_rows, *_KEPT),
    "backup.account_retention": Formula(_rows, *_KEPT),
    "provisioning.own_domain": Formula(_rows, *_ORDER),
    "provisioning.new_domain": Formula(_rows, *_ORDER),
    "support.availability": Formula(
        _share_left,
        "down while every channel that is known is down; a channel keeps its last state",
        "a stretch of time down",
    ),
}
"""indicator → how its value is worked out."""

_SECTIONS_IN_TWO: Final = {
    "operations.billing_error_rate": "evidence_3_service",
    "operations.page_load.narrowband": "evidence_3_service",
    "operations.page_load.broadband": "evidence_3_service",
    "operations.monitoring": "evidence_3_service",
}
_EVIDENCE: Final = {
    1: "evidence_1_connectivity",
    2: "evidence_2_latency",
    3: "evidence_3_faults",
    4: "evidence_4_antispam",
    5: "evidence_5_antivirus",
    6: "evidence_6_security",
    7: "evidence_7_backup",
    8: "evidence_8_provisioning",
    9: "evidence_9_support",
}


def evidence_of(indicator: str) -> str:
    """The drill-down query that gives an indicator's rows."""
    return _SECTIONS_IN_TWO.get(indicator, _EVIDENCE[INDICATORS[indicator].section])
