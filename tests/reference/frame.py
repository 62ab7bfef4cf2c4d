"""The setting of a random history: a month, its tenants, their contracts, moments of interest."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from mailsla.schemas.contract import DEFAULT_TIMEZONE, Contract
from tests.reference.instants import next_month

ZONES = (DEFAULT_TIMEZONE, DEFAULT_TIMEZONE, "Europe/Berlin", "America/New_York")
NUDGES_US = (0, 0, 0, 1, -1, 1_000_000, -1_000_000, 59_999_999, -60_000_000, 3_600_000_000)
WIRE_OFFSETS = (UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-3, minutes=-30)))

OVERRIDES: tuple[dict[str, dict[str, Any]], ...] = (
    {"connectivity.downtime": {"target": 600}, "connectivity.ratio": {"target": "0.9995"}},
    {"latency.send.mean": {"target": 30}, "latency.exceedances": {"target": 1}},
    {"latency.receive.max": {"judged": True}, "latency.send.max": {"judged": True}},
    {"operations.fault_free_days": {"target": 363}, "operations.fault_duration": {"target": 60}},
    {"operations.availability": {"judged": False}, "operations.monitoring": {"judged": True}},
    {"operations.billing_error_rate": {"target": "0.5", "comparator": "<"}},
    {"security.incidents": {"target": 0, "remedy": "fee_waiver"}},
    {"backup.incremental": {"target": 29, "comparator": "<="}},
    {"antivirus.scan_delay": {"target": "0.5", "comparator": "<="}},
    {"support.availability": {"target": "0.99", "remedy": "double_service"}},
)
PROFILES: tuple[dict[str, Any], ...] = (
    {"max_latency_s": 60},
    {"probe_hold_factor": 1},
    {"probe_hold_factor": 3, "operations_exclusions": ["force_majeure"]},
    {"operations_exclusions": ["force_majeure", "carrier", "agreed_maintenance"]},
    {"response_working_days": 2, "blocklist_working_days": 3, "listing_report_working_days": 2},
    {"result_notice_days": 1, "outbreak_updates": 1, "full_backup_days": 7},
    {"account_retention_days": 30, "own_domain_hours": 1, "new_domain_hours": 72},
)
AMENDMENTS: tuple[dict[str, Any], ...] = (
    {"monthly_fee": {"amount": "1300.00", "currency": "CNY"}},
    {"calendar": "CN"},
    {"calendar": "MON-FRI"},
    *({"profile": each} for each in PROFILES),
    *({"overrides": each} for each in OVERRIDES),
    {"overrides": {"connectivity.downtime": {"target": 100}, "connectivity.ratio": {}}},
    {"overrides": {"latency.exceedances": {"target": 1, "remedy": "fee_waiver"}}},
    {"overrides": {"operations.fault_duration": {"target": 600, "remedy": "none"}}},
    {"overrides": {"operations.availability": {"target": "0.999"}}},
    {"overrides": {"operations.adjustment_duration": {"target": 60, "comparator": "<"}}},
    {"overrides": {"antispam.complaint_response": {"target": 1, "comparator": "<="}}},
    {"overrides": {"antispam.foreign_source_report": {"target": 0}}},
    {"overrides": {"antivirus.definition_updates": {"target": 1, "comparator": "<="}}},
    {"overrides": {"antivirus.unscanned": {"judged": False}}},
    {"overrides": {"backup.incremental": {"target": 7, "comparator": "<="}}},
    {"overrides": {"backup.full": {"target": 3, "comparator": "<", "remedy": "fee_waiver"}}},
    {"overrides": {"provisioning.own_domain": {"target": 1, "comparator": "<="}}},
    {"overrides": {"support.availability": {"judged": False}}},
)


@dataclass(frozen=True)
class Frame:
    """What every scene of a history shares. Moments are UTC."""

    month: date
    tenants: tuple[str, ...]
    contracts: tuple[Contract, ...]
    cutoff: datetime
    edges: tuple[datetime, ...]
    anchors: tuple[datetime, ...]

    def moment(self, rng: Random) -> datetime:
        """A time that is likely to meet an edge or another scene."""
        nudge = timedelta(microseconds=rng.choice(NUDGES_US))
        pick = rng.random()
        if pick < 0.35:
            return rng.choice(self.edges) + nudge
        if pick < 0.75:
            return rng.choice(self.anchors) + nudge * rng.choice((1, 10))
        return self.somewhere(rng)

    def somewhere(self, rng: Random) -> datetime:
        """A time spread over the month, a little before and after."""
        start = datetime(self.month.year, self.month.month, 1, tzinfo=UTC)
        return start + timedelta(seconds=rng.randrange(-3 * 86_400, 33 * 86_400))

    def tenant(self, rng: Random) -> str:
        """One of the tenants."""
        return rng.choice(self.tenants)

    def tenant_or_platform(self, rng: Random) -> str:
        """One of the tenants, or the whole platform."""
        return rng.choice((*self.tenants, "*"))


def wire_time(moment: datetime, rng: Random) -> str:
    """RFC 3339 with some offset; decimals only where there are any."""
    text = moment.astimezone(rng.choice(WIRE_OFFSETS)).isoformat()
    return text.replace("+00:00", "Z")


def local(day: date, zone: str) -> datetime:
    """The first instant of a local day, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def build_frame(rng: Random, amended: bool = True) -> Frame:
    """A random month with one to three tenants; ``amended``: whose contracts may change in it."""
    month = date(rng.randint(2005, 2025), rng.choice((1, 1, 2, 2, 3, 6, 10, 11, 12, 12)), 1)
    tenants = ("a", "b.example", "c_3")[: rng.randint(1, 3)]
    drawn = [_contracts(rng, tenant, month) for tenant in tenants]
    if amended:
        drawn = [_amended(rng, versions, month) for versions in drawn]
    contracts = tuple(contract for versions in drawn for contract in versions)
    zones = sorted({DEFAULT_TIMEZONE, *(c.timezone for c in contracts)})
    after = next_month(month)
    closing = max(local(after, zone) for zone in zones)
    delays = (timedelta(0), timedelta(hours=1), timedelta(days=3, microseconds=1))
    cutoff = closing + rng.choice(delays)
    days = {month, after, date(month.year, 1, 1), *(c.effective_from for c in contracts)}
    days |= {c.effective_to for c in contracts if c.effective_to}
    days |= {month + timedelta(days=rng.randrange(28)) for _ in range(3)}
    near = [day for day in days if abs((day - month).days) < 366 and day.year >= 2004]
    edges = [local(day, zone) for day in sorted(near) for zone in zones]
    start = local(month, zones[0])
    anchors = [start + timedelta(minutes=rng.randrange(28 * 1440)) for _ in range(4)]
    in_flight = (cutoff - timedelta(hours=1), cutoff - timedelta(minutes=1))
    return Frame(month, tenants, contracts, cutoff, (*edges, *in_flight), tuple(anchors))


def _contracts(rng: Random, tenant: str, month: date) -> list[Contract]:
    """None, one or several versions; active for all, part or none of the month."""

    def day() -> date:
        return month + timedelta(days=rng.randrange(1, 28))

    after = next_month(month)
    long_ago = date(2004, 2, 1)
    shape = rng.choice(
        ("none", "whole", "whole", "begins", "ends", "both", "change", "gap", "other")
    )
    shapes: dict[str, list[tuple[date, date | None]]] = {
        "none": [],
        "whole": [(long_ago, None)],
        "begins": [(rng.choice((day(), month, after - timedelta(days=1))), None)],
        "ends": [(long_ago, rng.choice((day(), after, month + timedelta(days=1))))],
        "both": [(month + timedelta(days=rng.randrange(14)), month + timedelta(days=20))],
        "change": [(long_ago, None), (day(), None)],
        "gap": [(long_ago, month + timedelta(days=9)), (month + timedelta(days=17), None)],
        "other": [rng.choice(((long_ago, month), (after, None)))],
    }
    spans = shapes[shape]
    zone = rng.choice(ZONES)
    return [
        Contract.model_validate(
            {
                "tenant_id": tenant,
                "version": version,
                "effective_from": begin,
                "effective_to": until,
                "timezone": zone if rng.random() < 0.9 else rng.choice(ZONES),
                "calendar": rng.choice(("CN", "CN", "MON-FRI")),
                "monthly_fee": {"amount": "1200.00", "currency": "CNY"},
                "profile": {"name": "drawn", **rng.choice(PROFILES)} if rng.random() < 0.4 else {},
                "overrides": rng.choice(OVERRIDES) if rng.random() < 0.4 else {},
            }
        )
        for version, (begin, until) in enumerate(spans, start=1)
    ]


def _amended(rng: Random, versions: list[Contract], month: date) -> list[Contract]:
    """The versions, followed by some that change a thing or two of the last within the month."""
    amended = list(versions)
    for _ in range(rng.choice((0, 1, 1, 2, 3)) if versions else 0):
        former = amended[-1]
        begin = max(former.effective_from, month + timedelta(days=rng.randrange(31)))
        document = former.model_dump() | {"version": former.version + 1, "effective_from": begin}
        for change in rng.sample(AMENDMENTS, rng.choice((1, 1, 2, 3))):
            for field, value in change.items():
                mixed = field in {"profile", "overrides"}
                document[field] = document[field] | value if mixed else value
        if former.effective_to is not None and former.effective_to <= begin:
            document["effective_to"] = None
        amended.append(Contract.model_validate(document))
    return amended
