"""Histories that other tools metered wrongly, with the figures as derived by hand.

October 2026 in Shanghai is [30 September 16:00Z, 31 October 16:00Z).
"""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mailsla.schemas.contract import Contract
from tests.reference.log import Event
from tests.reference.scenario import event, received, sent

ZONE = ZoneInfo("Asia/Shanghai")
MEAN, EXCEEDANCES = "latency.send.mean", "latency.exceedances"
JUST = timedelta(microseconds=1)

Expected = tuple[float | None, str]
"""What is observed, and the verdict."""


def local(month: int, day: int, *clock: int) -> datetime:
    """A local time of 2026."""
    return datetime(2026, month, day, *clock, tzinfo=ZONE)


NOON = local(10, 10, 12)
MONTH_ENDS, NOVEMBER = local(11, 1) - JUST, local(11, 1)


def _means(*latencies_s: float, **fields: Any) -> list[Event]:
    return [
        sent(NOON, latency_s, f"m{number}", **fields)
        for number, latency_s in enumerate(latencies_s)
    ]


def _complaint(name: str, received_at: datetime, answered_at: datetime) -> list[Event]:
    return [
        event("complaint.received", received_at, case_id=name),
        event("complaint.responded", answered_at, case_id=name),
    ]


def _again(name: str, first: Event, second: Event) -> list[Event]:
    """The same event twice, sent again with other times."""
    return [first | {"id": name}, second | {"id": name}]


HISTORIES: dict[str, list[Event]] = {
    "mean-at-target": _means(60, 59.999999, 60.000001),
    "mean-beyond": _means(60, 60, 60.000001),
    "at-limit": [received(NOON, 3600, name) for name in ("m1", "m2")],
    "beyond-limit": [received(NOON, 3600.000001, name) for name in ("m1", "m2")],
    "again-in-next-month": _again("e", sent(MONTH_ENDS, 5), sent(NOVEMBER + JUST, 5)),
    "again-a-month-later": [
        one
        for name in ("f1", "f2")
        for one in _again(name, sent(local(9, 10), 1, name), sent(local(10, 10), 7200, name))
    ],
    "at-the-edges": [sent(local(10, 1), 7, "first"), sent(NOVEMBER, 9, "next")],
    "across-the-edge": [sent(local(10, 31, 23, 59, 50), 7810)],
    "many-times": [
        one
        for who in ("a@example.org", "b@example.org")
        for one in [
            *[sent(NOON, 4, recipient=who, id=f"first-{who}")] * 5,
            *[sent(NOON, 7, recipient=who, id=f"second-{who}")] * 5,
        ]
    ],
    "attempts": [sent(NOON, 10, attempt=2), sent(NOON, 20, attempt=1)],
    "working-saturday": [
        *_complaint("a", local(10, 9, 9), local(10, 11) - JUST),
        *_complaint("b", local(9, 30, 9), local(10, 8, 23, 59, 59)),
        *_complaint("c", local(10, 9, 9), local(10, 11)),
    ],
}
"""Tenant → its events, in the order in which they come."""

CONTRACTS = (Contract(tenant_id="again-a-month-later", version=1, effective_from=date(2026, 1, 1)),)
"""Whoever has a contract is judged in a month without events too."""

EXPECTED: dict[tuple[str, str, str], Expected] = {
    ("mean-at-target", "2026-10", MEAN): (60, "met"),
    ("mean-beyond", "2026-10", MEAN): (180.000001 / 3, "breached"),
    ("at-limit", "2026-10", EXCEEDANCES): (0, "met"),
    ("at-limit", "2026-10", "latency.receive.mean"): (3600, "breached"),
    ("beyond-limit", "2026-10", EXCEEDANCES): (2, "breached"),
    ("again-in-next-month", "2026-10", MEAN): (5, "met"),
    ("again-in-next-month", "2026-11", MEAN): (None, "no_data"),
    ("again-a-month-later", "2026-09", MEAN): (1, "met"),
    ("again-a-month-later", "2026-10", MEAN): (None, "no_data"),
    ("again-a-month-later", "2026-10", EXCEEDANCES): (0, "met"),
    ("at-the-edges", "2026-10", MEAN): (7, "met"),
    ("at-the-edges", "2026-11", MEAN): (9, "met"),
    ("across-the-edge", "2026-10", EXCEEDANCES): (1, "met"),
    ("across-the-edge", "2026-10", "latency.send.max"): (7810, "not_judged"),
    ("many-times", "2026-10", MEAN): (4, "met"),
    ("attempts", "2026-10", MEAN): (20, "met"),
    ("working-saturday", "2026-10", "antispam.complaint_response"): (1, "breached"),
}
"""Tenant, month and indicator → the figure."""


def log() -> list[Event]:
    """Every event of every tenant, by the time of day at which it comes."""
    events = [
        one | {"tenant_id": tenant, "source": f"mx-{tenant}"}
        for tenant, own in HISTORIES.items()
        for one in own
    ]
    return sorted(events, key=lambda one: datetime.fromisoformat(one["time"]))
