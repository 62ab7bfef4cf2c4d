"""Tables of what stands behind a figure: which columns a kind of evidence has. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from zoneinfo import ZoneInfo

from markupsafe import Markup

from mailsla.schemas.presentation.figures import clock, microseconds
from mailsla.schemas.presentation.language import Language
from mailsla.schemas.presentation.names import indicator_title
from mailsla.sinks.statement.facts.content import Evidence, Proof
from mailsla.sinks.statement.facts.spans import instant
from mailsla.sinks.statement.wording.names import column_title, value_word
from mailsla.sinks.statement.wording.phrases import phrase

_MICROSECOND: Final = 6


@dataclass(frozen=True)
class EvidenceTable:
    """A table ready to be shown; ``note`` says how many there are in all."""

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Local:
    """Whose language and clock the cells are written in."""

    language: Language
    zone: ZoneInfo

    def time(self, us: int, otherwise: str = "") -> str:
        """An instant on the local clock; another phrase where there is none."""
        return moment(us, self.zone) if us else phrase(otherwise, self.language)

    def length(self, us: int) -> str:
        """A duration, exact."""
        return microseconds(us, self.language, _MICROSECOND)

    def words(self, one: Evidence, *names: str) -> str:
        """The named particulars, those that are there, in words."""
        told = (one.about.get(name, "") for name in names)
        return " · ".join(value_word(value, self.language) for value in told if value)


def moment(us: int, zone: ZoneInfo) -> Markup:
    """An instant on the local clock, for readers and machines."""
    at = instant(us, zone)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), clock(at))


Cells = Callable[[Evidence, Local], Sequence[str]]


def _outage(one: Evidence, local: Local) -> Sequence[str]:
    excused = int(one.about.get("excused_us", "0"))
    return (*_spell(one, local), local.length(excused) if excused else "–")


def _spell(one: Evidence, local: Local) -> Sequence[str]:
    length = local.length(one.ends_us - one.begins_us)
    return local.time(one.begins_us), local.time(one.ends_us), length


def _message(one: Evidence, local: Local) -> Sequence[str]:
    excused = phrase("excluded_time", local.language) if one.about.get("excused") else ""
    route = local.words(one, "direction", "source", "recipient")
    length = local.length(one.ends_us - one.begins_us) if one.ends_us else "–"
    return (
        one.reference,
        " · ".join(filter(None, (route, excused))),
        local.time(one.begins_us),
        local.time(one.ends_us, "not_finished"),
        length,
    )


def _incident(one: Evidence, local: Local) -> Sequence[str]:
    length = local.length(one.ends_us - one.begins_us) if one.ends_us else "–"
    return (
        one.reference,
        local.words(one, "scope", "component", "description"),
        local.time(one.begins_us),
        local.time(one.ends_us, "running"),
        length,
    )


def _case(one: Evidence, local: Local) -> Sequence[str]:
    late = local.length(one.ends_us - one.due_us) if one.ends_us else "–"
    return (
        one.reference,
        local.time(one.begins_us),
        local.time(one.due_us),
        local.time(one.ends_us, "not_answered"),
        late,
    )


def _week(one: Evidence, local: Local) -> Sequence[str]:
    last = instant(one.ends_us - 1, local.zone)
    first = instant(one.begins_us, local.zone)
    return f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}", one.about["updates"]


def _day(one: Evidence, local: Local) -> Sequence[str]:
    return (f"{instant(one.begins_us, local.zone):%Y-%m-%d}",)


def _scan(one: Evidence, local: Local) -> Sequence[str]:
    # A scanner's "clean" is a message without a virus, a mailbox's setting "clean" an order.
    if one.about.get("scan") == "clean":
        one = replace(one, about={**one.about, "scan": "undetected"})
    told = local.words(one, "mailbox", "policy", "scan", "action", "source")
    return one.reference, told, local.time(one.begins_us)


def _timed_scan(one: Evidence, local: Local) -> Sequence[str]:
    return *_scan(one, local), local.length(one.ends_us - one.begins_us)


def _page(one: Evidence, local: Local) -> Sequence[str]:
    told = local.words(one, "url", "source")
    length = local.length(one.ends_us - one.begins_us)
    return one.reference, told, local.time(one.begins_us), length


def _destroyed(one: Evidence, local: Local) -> Sequence[str]:
    return (one.reference, *(local.time(us) for us in (one.begins_us, one.ends_us, one.due_us)))


def _source(one: Evidence, local: Local) -> Sequence[str]:
    told = local.words(one, "association", "provider", "nsp")
    return one.reference, told or "–", local.time(one.begins_us)


def _record(one: Evidence, local: Local) -> Sequence[str]:
    return one.reference, local.words(one, "kind", "severity"), local.time(one.begins_us)


_MESSAGE: Final = (("message", "route", "accepted", "finished", "latency"), _message)
_CASE: Final = (("case", "received", "deadline", "answered", "late"), _case)
_ORDER: Final = (("order", "paid", "deadline", "opened", "late"), _case)
_SOURCE: Final = (("case", "told", "at"), _source)
_WEEK: Final = (("week", "week_to", "updates"), _week)
_SCAN: Final = (("message", "mailbox", "at"), _scan)
_PAGE: Final = (("sample", "particulars", "at", "load"), _page)

_TABLES: Final[Mapping[str, tuple[Sequence[str], Cells]]] = {
    "connectivity.downtime": (("from", "to", "length", "excused"), _outage),
    "latency.send.mean": _MESSAGE,
    "latency.receive.mean": _MESSAGE,
    "latency.exceedances": _MESSAGE,
    "operations.fault_duration": (("incident", "particulars", "from", "to", "length"), _incident),
    "operations.adjustment_duration": (
        ("change", "particulars", "from", "to", "length"), _incident,
    ),
    "operations.billing_error_rate": (("charge", "kind", "at"), _record),
    "operations.monitoring": (("from", "to", "length"), _spell),
    "operations.page_load.narrowband": _PAGE,
    "operations.page_load.broadband": _PAGE,
    "antispam.complaint_response": _CASE,
    "antispam.result_notice": _CASE,
    "antispam.blocklist_processing": _CASE,
    "antispam.listing_report": _CASE,
    "antispam.foreign_source_report": _SOURCE,
    "antivirus.definition_updates": _WEEK,
    "antivirus.outbreak_updates": _WEEK,
    "antivirus.unscanned": _SCAN,
    "antivirus.policy_mismatch": _SCAN,
    "antivirus.scan_delay": (("message", "mailbox", "at", "scan"), _timed_scan),
    "security.incidents": (("security_incident", "kind", "at"), _record),
    "backup.incremental": (("day",), _day),
    "backup.full": (("day",), _day),
    "backup.retention": (("backup", "made", "deleted", "keep_until"), _destroyed),
    "backup.account_retention": (("account", "locked", "purged", "keep_until"), _destroyed),
    "provisioning.own_domain": _ORDER,
    "provisioning.new_domain": _ORDER,
    "support.availability": (("from", "to", "length"), _spell),
}  # fmt: skip


def evidence_table(indicator: str, proof: Proof, local: Local) -> EvidenceTable:
    """The references behind an indicator.

    Raises:
        KeyError: no query gives evidence for this indicator.

    """
    columns, cells = _TABLES[indicator]
    language = local.language
    whole = proof.total <= len(proof.rows)
    note = (
        phrase("evidence_all", language, total=proof.total)
        if whole
        else phrase("evidence_some", language, total=proof.total, shown=len(proof.rows))
    )
    if indicator == "operations.billing_error_rate":
        note = f"{note} {phrase('platform_billing', language)}"
    return EvidenceTable(
        phrase("evidence", language, indicator=indicator_title(indicator, language)),
        note,
        [column_title(column, language) for column in columns],
        [cells(one, local) for one in proof.rows],
    )
