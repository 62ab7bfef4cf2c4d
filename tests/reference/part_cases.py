"""Months in which the contract changes on 16 October 2025, judged three ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mailsla.schemas.contract import Contract
from mailsla.schemas.indicators import Verdict
from tests.reference.log import Event
from tests.reference.scenario import (
    CUTOFF,
    MONTH,
    TENANT,
    at,
    contract,
    event,
    fault,
    probes,
    received,
    sent,
)
from tests.reference.strategies import History

CHANGE = at(16)
JUST = timedelta(microseconds=1)


@dataclass(frozen=True)
class Case:
    """Two versions, what happened, and the verdict on one indicator.

    ``parts`` are the verdicts of its parts in order, none where its promise does not change;
    ``remedy`` is owed or would be.
    """

    about: str
    indicator: str
    events: Sequence[Event]
    verdict: Verdict
    parts: Sequence[Verdict] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    remedy: str | None = None

    @property
    def contracts(self) -> tuple[Contract, ...]:
        return (
            contract(**self.before),
            contract(version=2, effective_from=CHANGE.date(), **self.after),
        )

    @property
    def history(self) -> History:
        return History(MONTH, (TENANT,), self.contracts, CUTOFF, tuple(self.events))


def promise(indicator: str, **change: Any) -> dict[str, Any]:
    return {"overrides": {indicator: change}}


def down(*outages: tuple[int, float]) -> list[Event]:
    """Outages of so many seconds at noon of a day; capabilities are seen on either side."""
    watched = [one for day in (2, 30) for one in probes(at(day), 40, capability="receive")]
    broken = [probes(at(day, 12), seconds, ok=False) for day, seconds in outages]
    return [*watched, *(one for each in broken for one in each)]


def over(*days: int) -> list[Event]:
    return [sent(at(day, 12), 3601, f"m{day}") for day in days]


def saved(*missing: int) -> list[Event]:
    """A full backup on every day but some."""
    return [
        event("backup.completed", at(1) + timedelta(days=day - 1, hours=3), kind="full",
              backup_id=f"b{day}", started_at=at(1) + timedelta(days=day - 1))
        for day in range(-2, 32) if day not in missing
    ]  # fmt: skip


def complaint(received_at: Any, answered_at: Any) -> list[Event]:
    return [
        event("complaint.received", received_at, case_id="c"),
        event("complaint.responded", answered_at, case_id="c"),
    ]


def order(paid: Any, hours: int) -> list[Event]:
    done = paid + timedelta(hours=hours)
    return [
        event("payment.confirmed", paid, order_id="o", domain_kind="own"),
        event("service.opened", done, order_id="o", notified_at=done),
    ]


def updated(*days: int) -> list[Event]:
    return [event("definitions.updated", at(day)) for day in days]


TEN_MINUTES = promise("connectivity.downtime", target=600, remedy="fee_waiver")
ONE_MISSED = promise("backup.incremental", target=1, comparator="<=")
THREE_DAYS = {"profile": {"response_working_days": 3}}
THREE_DAYS_LONG = {"profile": {"own_domain_hours": 72}}
RELAXED = promise("antivirus.definition_updates", target=1, comparator="<=")

CASES = (
    Case("just inside each budget, which is whole in either part", "connectivity.downtime",
         down((3, 2639), (20, 599)), "met", ("met", "met"), after=TEN_MINUTES, remedy="fee_waiver"),
    Case("at the first part's limit; its version's remedy is owed", "connectivity.downtime",
         down((3, 2640), (20, 599)), "breached", ("breached", "met"), after=TEN_MINUTES,
         remedy="double_service"),
    Case("at the second part's limit", "connectivity.downtime",
         down((3, 2639), (20, 600)), "breached", ("met", "breached"), after=TEN_MINUTES,
         remedy="fee_waiver"),
    Case("beyond both: the governing remedy", "connectivity.downtime",
         down((3, 2641), (20, 601)), "breached", ("breached", "breached"), after=TEN_MINUTES,
         remedy="fee_waiver"),
    Case("an outage over the change is cut there", "connectivity.downtime",
         [*down(), *probes(CHANGE - timedelta(seconds=2600), 3199, ok=False)],
         "met", ("met", "met"), after=TEN_MINUTES),
    Case("a microsecond too long after the change", "connectivity.downtime",
         [*down(), *probes(CHANGE - timedelta(seconds=2000), 2600.000002, ok=False)],
         "breached", ("met", "breached"), after=TEN_MINUTES),
    Case("a new fee changes no verdict and doubles no budget", "connectivity.downtime",
         down((3, 2000), (20, 640)), "breached",
         after={"monthly_fee": {"amount": "7", "currency": "CNY"}}),
    Case("nor does another section's target", "connectivity.downtime",
         down((3, 2000), (20, 640)), "breached", after=ONE_MISSED),
    Case("nor another section's reading", "connectivity.downtime",
         down((3, 2000), (20, 640)), "breached", after=THREE_DAYS),
    Case("nor another remedy", "connectivity.downtime", down((3, 2000), (20, 640)), "breached",
         after=promise("connectivity.downtime", remedy="fee_waiver"), remedy="fee_waiver"),
    Case("the part is the whole of a ratio: 600 s of 16 days", "connectivity.ratio",
         down((20, 600)), "breached", ("met", "breached"),
         after=promise("connectivity.ratio", target="0.9999")),
    Case("a part nobody watched does not count", "connectivity.downtime",
         probes(at(20), 40), "met", ("no_data", "met"), after=TEN_MINUTES),
    Case("nor does one that is not judged", "connectivity.downtime",
         down((3, 9999)), "met", ("not_judged", "met"),
         before=promise("connectivity.downtime", judged=False)),
    Case("but it judges while it is in force", "connectivity.downtime",
         down((3, 9999)), "breached", ("breached", "not_judged"),
         after=promise("connectivity.downtime", judged=False)),
    Case("a message belongs to the part in which it was accepted", "latency.exceedances",
         [sent(CHANGE - JUST, 3601, "a"), received(CHANGE, 3601, "b")], "met", ("met", "met"),
         after=promise("latency.exceedances", target=1, comparator="<=")),
    Case("one too many before the change", "latency.exceedances",
         [sent(CHANGE - JUST, 3601, "a"), *over(3, 20)], "breached", ("breached", "met"),
         after=promise("latency.exceedances", target=1, comparator="<=")),
    Case("a mean is judged whole by the last version", "latency.send.mean",
         [sent(at(3), 90, "a"), sent(at(20), 10, "b")], "breached",
         after=promise("latency.send.mean", target=45)),
    Case("each part has its own reading of an exceedance", "latency.exceedances",
         [sent(at(3), 61, "a"), sent(at(4), 61, "b"), sent(at(20), 61, "c")],
         "met", ("met", "met"), after={"profile": {"max_latency_s": 60}}),
    Case("a fault over the change", "operations.fault_duration",
         fault(CHANGE - timedelta(seconds=6000), 6060), "met", ("met", "met"),
         after=promise("operations.fault_duration", target=60)),
    Case("a second more after it", "operations.fault_duration",
         fault(CHANGE - timedelta(seconds=6000), 6061), "breached", ("met", "breached"),
         after=promise("operations.fault_duration", target=60)),
    Case("days without a backup count where they are", "backup.incremental",
         saved(20), "met", ("met", "met"), after=ONE_MISSED),
    Case("the first part still allows none", "backup.incremental",
         saved(15, 20), "breached", ("breached", "met"), after=ONE_MISSED),
    Case("two are too many for the second", "backup.incremental",
         saved(16, 31), "breached", ("met", "breached"), after=ONE_MISSED),
    Case("received before the change, due by the former reading", "antispam.complaint_response",
         complaint(CHANGE - JUST, at(17)), "breached", ("met", "breached"), after=THREE_DAYS),
    Case("received after it, due by the new one", "antispam.complaint_response",
         complaint(CHANGE, at(22) - JUST), "met", ("met", "met"), after=THREE_DAYS),
    Case("and late at its end", "antispam.complaint_response",
         complaint(CHANGE, at(22)), "breached", ("met", "breached"), after=THREE_DAYS),
    Case("a shorter time loses no case that came before", "antispam.complaint_response",
         complaint(at(15), at(21)), "breached", ("met", "breached"), before=THREE_DAYS),
    Case("paid before the change: 24 hours", "provisioning.own_domain",
         order(CHANGE - JUST, 25), "breached", ("met", "breached"), after=THREE_DAYS_LONG),
    Case("paid after it: 72 hours", "provisioning.own_domain",
         order(CHANGE, 72), "met", ("met", "met"), after=THREE_DAYS_LONG),
    Case("a week belongs to the part of its Sunday, whole", "antivirus.definition_updates",
         updated(1, 8, 13, 22), "met", ("met", "met"), after=RELAXED),
    Case("without an update in it the second part judges", "antivirus.definition_updates",
         updated(1, 8, 22), "met", ("met", "met"), after=RELAXED),
    Case("and no part allows more", "antivirus.definition_updates",
         updated(1, 8), "breached", ("met", "breached"), after=RELAXED),
)  # fmt: skip
