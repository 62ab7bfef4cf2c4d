"""Every indicator of the agreement: its id, section, unit, target and remedy.

The ids are the vocabulary of the whole project; they stand in topics, tables and statements
exactly as here. Adding an indicator begins with its line in `INDICATORS`.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from mailsla.schemas.remedies import Remedy

Comparator = Literal["<", "<=", ">=", "="]
Unit = Literal["s", "ratio", "count", "days"]
Verdict = Literal["met", "breached", "no_data", "not_judged"]
MonthVerdict = Literal["met", "breached", "incomplete"]
"""Of a tenant's month: every judged promise was measured and kept, one was breached, or none was
breached and one at least has no data."""


@dataclass(frozen=True)
class Section:
    """A section of the agreement (1-9) and the remedy owed when it is breached."""

    number: int
    title: str
    title_zh: str
    remedy: Remedy


SECTIONS: Final = {
    section.number: section
    for section in (
        Section(1, "Connectivity", "邮箱联通性", "double_service"),
        Section(2, "Latency", "邮件收发延迟", "double_service"),
        Section(3, "Operations", "运维", "double_service"),
        Section(4, "Anti-spam", "反垃圾邮件", "fee_waiver"),
        Section(5, "Anti-virus", "防病毒", "fee_waiver"),
        Section(6, "Anti-intrusion", "防黑客", "none"),
        Section(7, "Backup", "数据备份", "double_service"),
        Section(8, "Provisioning", "开通", "fee_waiver"),
        Section(9, "Customer service", "客户服务", "none"),
    )
}


@dataclass(frozen=True)
class Indicator:
    """One measured value of a section, compared with its default target over a month.

    ``target`` is in ``unit``; ``None`` where the agreement sets none. ``judged`` says whether a
    verdict follows from the value by default. ``additive``: the value of a month is made up of
    those of its parts, so that a contract that changes within the month judges each part by its
    version; means, maxima, and what is counted over the year or the platform are judged whole.
    """

    id: str
    section: int
    unit: Unit
    comparator: Comparator | None
    target: Decimal | None
    judged: bool
    title: str
    additive: bool = True

    @property
    def remedy(self) -> Remedy:
        """The remedy of the indicator's section."""
        return SECTIONS[self.section].remedy


_WHOLE: Final = frozenset(
    {
        "latency.send.mean",
        "latency.receive.mean",
        "latency.send.max",
        "latency.receive.max",
        "operations.fault_free_days",
        "operations.billing_error_rate",
        "operations.page_load.narrowband",
        "operations.page_load.broadband",
        "antivirus.scan_delay",
    }
)
"""Indicators whose month is not the sum of its parts."""


def _judged(
    id_: str, section: int, unit: Unit, comparator: Comparator, target: str, title: str
) -> Indicator:
    return Indicator(id_, section, unit, comparator, Decimal(target), True, title, _adds_up(id_))


def _shown(
    id_: str,
    section: int,
    unit: Unit,
    title: str,
    comparator: Comparator | None = None,
    target: str | None = None,
) -> Indicator:
    limit = None if target is None else Decimal(target)
    return Indicator(id_, section, unit, comparator, limit, False, title, _adds_up(id_))


def _adds_up(id_: str) -> bool:
    return id_ not in _WHOLE


INDICATORS: Final = {
    indicator.id: indicator
    for indicator in (
        _judged("connectivity.downtime", 1, "s", "<", "2640", "net downtime"),
        _judged("connectivity.ratio", 1, "ratio", ">=", "0.999", "share of the month connected"),
        _judged("latency.send.mean", 2, "s", "<=", "60", "mean send latency"),
        _judged("latency.receive.mean", 2, "s", "<=", "60", "mean receive latency"),
        _judged("latency.exceedances", 2, "count", "<", "2", "messages over the maximum latency"),
        _shown("latency.send.max", 2, "s", "largest send latency", "<=", "3600"),
        _shown("latency.receive.max", 2, "s", "largest receive latency", "<=", "3600"),
        _judged("operations.fault_duration", 3, "s", "<=", "6000", "time in fault"),
        _judged("operations.adjustment_duration", 3, "s", "<=", "6000", "time in adjustment"),
        _judged("operations.availability", 3, "ratio", ">=", "0.9999", "share without fault"),
        _judged("operations.fault_free_days", 3, "days", ">=", "360", "fault-free days a year"),
        _judged(
            "operations.billing_error_rate", 3, "ratio", "<=", "0.00003", "customers billed wrong"
        ),
        _judged("operations.page_load.narrowband", 3, "s", "<=", "30", "mean load, narrowband"),
        _judged("operations.page_load.broadband", 3, "s", "<=", "10", "mean load, broadband"),
        _shown("operations.monitoring", 3, "ratio", "share monitored", ">=", "1"),
        _judged("antispam.complaint_response", 4, "count", "=", "0", "complaints answered late"),
        _judged("antispam.result_notice", 4, "count", "=", "0", "results notified late"),
        _judged("antispam.blocklist_processing", 4, "count", "=", "0", "lists processed late"),
        _judged("antispam.listing_report", 4, "count", "=", "0", "listings reported late"),
        _shown("antispam.foreign_source_report", 4, "count", "outside sources not reported"),
        _judged("antivirus.definition_updates", 5, "count", "=", "0", "weeks without an update"),
        _judged("antivirus.outbreak_updates", 5, "count", "=", "0", "outbreak weeks under-served"),
        _judged("antivirus.unscanned", 5, "count", "=", "0", "messages not scanned"),
        _judged("antivirus.policy_mismatch", 5, "count", "=", "0", "actions against the policy"),
        _shown("antivirus.scan_delay", 5, "s", "mean scan time"),
        _shown("security.incidents", 6, "count", "security incidents"),
        _judged("backup.incremental", 7, "count", "=", "0", "days without a backup"),
        _judged("backup.full", 7, "count", "=", "0", "days without a recent full backup"),
        _judged("backup.retention", 7, "count", "=", "0", "backups deleted early"),
        _judged("backup.account_retention", 7, "count", "=", "0", "accounts purged early"),
        _judged("provisioning.own_domain", 8, "count", "=", "0", "orders opened late, own domain"),
        _judged("provisioning.new_domain", 8, "count", "=", "0", "orders opened late, new domain"),
        _judged("support.availability", 9, "ratio", ">=", "1", "customer service reachable"),
    )
}
"""indicator id → its definition, in the order of the agreement."""

OPEN_MONTHS: Final = 2
"""So many months before the present one are followed live; what is older is left to the closing."""
