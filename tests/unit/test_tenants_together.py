"""Tenants who come up in one batch are judged as if each had come up by itself."""

import orjson
import pytest

from mailsla.schemas.contract import Contract
from mailsla.schemas.topics import MTA
from tests.live_run import LiveRun, contract_record

YEAR = {"effective_from": "2025-01-01", "effective_to": "2026-01-01"}
CONTRACTS = {
    "none": (),
    "year": (YEAR,),
    "tokyo": ({**YEAR, "timezone": "Asia/Tokyo"},),
    "from the middle": ({"effective_from": "2025-10-15"},),
    "new york, ended": (
        {"effective_from": "2025-01-01", "effective_to": "2025-10-01"}
        | {"timezone": "America/New_York"},
    ),
    "strict": ({**YEAR, "overrides": {"latency.send.mean": {"target": "5"}}},),
    "two": (
        {"effective_from": "2025-01-01", "effective_to": "2025-10-10"},
        {"effective_from": "2025-10-10", "overrides": {"latency.exceedances": {"target": "9"}}},
    ),
}
ACCEPTED = (
    "2025-09-30T15:30:00", "2025-09-30T18:00:00", "2025-10-05T00:00:00", "2025-10-20T00:00:00",
)  # fmt: skip
KIND_OF = {kind.replace(", ", "-").replace(" ", "-"): kind for kind in CONTRACTS}
TENANTS = [f"{name}.{number}" for name in KIND_OF for number in range(5)]


def contracts():
    for tenant in TENANTS:
        for version, terms in enumerate(CONTRACTS[KIND_OF[tenant.split(".")[0]]], 1):
            yield contract_record(Contract(tenant_id=tenant, version=version, **terms))


def mail(accepted: str):
    for number, tenant in enumerate(TENANTS):
        event = {
            "id": f"{tenant}-{accepted}",
            "source": "mx1",
            "type": "message.dispatched",
            "tenant_id": tenant,
            "message_id": f"{tenant}-{accepted}",
            "direction": "outbound",
            "recipient": "u@example.cn",
            "accepted_at": f"{accepted}Z",
            "time": f"{accepted[:-2]}{10 + number % 5}Z",
        }
        yield MTA.name, tenant.encode(), orjson.dumps(event)


@pytest.fixture
def one_by_one():
    run = LiveRun()
    run.feed(list(contracts()))
    for accepted in ACCEPTED:
        for record in mail(accepted):
            run.feed([record])
    run.checkpoint()
    return run


def told(run: LiveRun):
    return {key: status.model_dump(exclude={"event_time"}) for key, status in run.status.items()}


def test_tenants_of_one_batch_stand_as_those_that_come_one_by_one(one_by_one):
    run = LiveRun()
    run.feed(list(contracts()))
    run.feed([record for accepted in ACCEPTED for record in mail(accepted)])
    run.checkpoint()
    assert told(run) == told(one_by_one)
    assert {name for name, *_ in run.status} == set(TENANTS)


def counts(run: LiveRun):
    """Tenant and month → messages that are counted in it."""
    months = run.task.tenants.latency.months
    return {
        (tenant, month.label): months.totals(months.of_month(code, month), True).count
        for tenant, code in zip(TENANTS, map(run.task.tenants.code, TENANTS), strict=True)
        for month in months.months_of(code)
    }


def test_months_hold_the_same_messages_whatever_comes_first(one_by_one):
    """September of New York and October of Shanghai share twelve hours."""
    run = LiveRun()
    run.feed([record for accepted in ACCEPTED for record in mail(accepted)])
    run.feed(list(contracts()))
    found = counts(run)
    assert found == counts(one_by_one)
    ended = {month: found["new-york-ended.1", month] for month in ("2025-09", "2025-10")}
    assert ended == {"2025-09": (2, 0), "2025-10": (3, 0)}
