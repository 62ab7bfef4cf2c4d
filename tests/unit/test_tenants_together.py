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
    "strict": ({**YEAR, "overrides": {"latency.send.mean": {"target": "5"}}},),
    "two": (
        {"effective_from": "2025-01-01", "effective_to": "2025-10-10"},
        {"effective_from": "2025-10-10", "overrides": {"latency.exceedances": {"target": "9"}}},
    ),
}
ACCEPTED = ("2025-09-30T15:30:00", "2025-10-05T00:00:00", "2025-10-20T00:00:00")
TENANTS = [f"{kind.replace(' ', '-')}.{number}" for kind in CONTRACTS for number in range(5)]


def contracts():
    for tenant in TENANTS:
        for version, terms in enumerate(CONTRACTS[tenant.split(".")[0].replace("-", " ")], 1):
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
