"""From checked events to facts, and what a scope remembers of them."""

import ast
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from mailsla.schemas.codec.columnar import decode_batch
from mailsla.schemas.codec.records import decode_event
from mailsla.schemas.export.fact_types import FOLDER, fact_modules
from mailsla.schemas.facts.backup import BackupDeletedFact
from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.lines import FIELDS as FIELDS_OF
from mailsla.schemas.facts.lines import decode_fact, encode_fact
from mailsla.schemas.registry import EVENT_TYPES
from mailsla.streams.clauses.facts.base import Marks, micros
from mailsla.streams.clauses.registry import Scope
from mailsla.streams.live.decode.facts import facts_of
from mailsla.streams.time.calendar import DAY, SECOND, to_us
from tests.unit.clauses_scene import Scene, at

NOW = datetime(2026, 10, 5, tzinfo=UTC)
FIELDS: dict[str, dict[str, Any]] = {
    "probe.result": {
        "probe": "p", "channel": "web", "capability": "send", "scope": "internal", "ok": True,
        "interval_s": 60,
    },
    "page.loaded": {"bandwidth": "broadband", "load_ms": 1.5},
    "incident.opened": {"incident_id": "i", "kind": "fault"},
    "incident.closed": {"incident_id": "i"},
    "exclusion.declared": {
        "exclusion_id": "x", "code": "carrier", "starts_at": "2026-10-02T00:00:00Z",
        "ends_at": "2026-10-02T00:00:01+00:00",
    },
    "exclusion.revoked": {"exclusion_id": "x"},
    "monitor.heartbeat": {"monitor": "m", "interval_s": 0.5},
    "outage.declared": {
        "outage_id": "o", "starts_at": "2026-10-02T00:00:00Z", "ends_at": "2026-10-02T00:00:01Z",
        "reason": "power", "actor": "li",
    },
    "outage.revoked": {"outage_id": "o"},
    "event.voided": {
        "voids_topic": "mail.probe", "voids_source": "s", "voids_id": "2", "reason": "broken",
        "actor": "li",
    },
    "approval.given": {"approves": "x", "actor": "li"},
    "source.progress": {"of": "mx1/postfix"},
    "definitions.updated": {"engine": "e", "version": "1"},
    "outbreak.declared": {"outbreak_id": "o"},
    "outbreak.ended": {"outbreak_id": "o"},
    "message.scanned": {
        "message_id": "m", "mailbox": "a", "verdict": "clean", "action": "none", "policy": "off",
    },
    "backup.completed": {
        "backup_id": "b", "kind": "full", "started_at": "2026-10-02T00:00:00Z",
    },
    "backup.failed": {"backup_id": "b", "kind": "full"},
    "backup.deleted": {"backup_id": "b", "completed_at": "2026-10-02T08:00:00.000001+08:00"},
    "account.locked": {"account": "a"},
    "account.purged": {"account": "a", "locked_at": "2026-10-02T00:00:00Z"},
    "customer.charged": {
        "charge_id": "c", "amount": "1.50", "currency": "CNY", "billing_month": "2026-10",
    },
    "billing.error_confirmed": {"charge_id": "c", "billing_month": "2026-10"},
    "payment.confirmed": {"order_id": "o", "domain_kind": "own"},
    "service.opened": {"order_id": "o", "notified_at": "2026-10-03T00:00:00Z"},
    "complaint.received": {"case_id": "c", "origin": "own_domain"},
    "complaint.responded": {"case_id": "c"},
    "complaint.result_notified": {"case_id": "c"},
    "source.confirmed": {"case_id": "c"},
    "source.blocked": {"case_id": "c"},
    "source.unblocked": {"case_id": "c"},
    "source.reported": {"case_id": "c", "reported_to": "nsp"},
    "blocklist.published": {"list_id": "l"},
    "blocklist.processed": {"list_id": "l"},
    "listing.detected": {"listing_id": "l"},
    "listing.reported": {"listing_id": "l"},
    "channel.up": {"channel": "web"},
    "channel.down": {"channel": "web"},
    "ticket.opened": {"ticket_id": "t", "channel": "web"},
    "ticket.answered": {"ticket_id": "t", "channel": "web"},
    "security.incident": {"incident_id": "i", "kind": "k", "severity": "low"},
}  # fmt: skip
TYPES = [
    (topic, type_) for topic, types in EVENT_TYPES.items() if topic != "mail.mta" for type_ in types
]


def record(type_: str) -> bytes:
    head = {"id": "1", "source": "s", "type": type_, "tenant_id": "acme"}
    return orjson.dumps(head | {"time": "2026-10-03T00:00:00Z"} | FIELDS[type_])


def decoded(topic: str, type_: str) -> Fact:
    """What the live worker makes of an event."""
    broker_us = np.array([to_us(NOW)], dtype=np.int64)
    (told,) = facts_of(decode_batch(topic, [record(type_)], broker_us).table)
    return told


def plain(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:.6f}"
    return to_us(value) if isinstance(value, datetime) else value


@pytest.mark.parametrize(("topic", "type_"), TYPES, ids=[type_ for _, type_ in TYPES])
def test_every_event_type_becomes_a_fact_that_its_scope_takes(topic: str, type_: str) -> None:
    told = decoded(topic, type_)
    assert told.topic == topic
    event = decode_event(topic, record(type_), NOW)
    assert {name: getattr(told, name) for name in FIELDS_OF[type_]} == {
        name: plain(value) for name, value in event.__dict__.items()
    }
    scope = Scope("acme")
    scope.observe(told)
    # How far a log is read says nothing of operations: the topic stays silent.
    speaks = type_ != "source.progress"
    assert scope.version == int(speaks)
    assert (scope.ops.first_us is not None) == (topic == "mail.ops" and speaks)


@pytest.mark.parametrize(("topic", "type_"), TYPES, ids=[type_ for _, type_ in TYPES])
def test_a_line_says_all_of_a_fact_that_is_not_absent(topic: str, type_: str) -> None:
    told = decoded(topic, type_)
    document = orjson.loads(encode_fact(told))
    assert None not in document.values()
    assert decode_fact(orjson.dumps(document)) == told
    assert decode_fact(orjson.dumps(document | {"of_a_later_release": 1})) == told


def test_instants_of_a_fact_are_exact_microseconds() -> None:
    told = decoded("mail.backup", "backup.deleted")
    assert isinstance(told, BackupDeletedFact)
    assert told.completed_at == at("2026-10-02 00:00", "UTC") + 1
    assert told.backup_id == "b"


def test_the_classes_of_facts_say_what_the_models_of_events_say() -> None:
    for name, text in fact_modules().items():
        assert FOLDER.joinpath(name).read_text() == text, "run `make facts`"


@pytest.mark.parametrize(
    ("amount", "us"), [(0.0000005, 1), (0.00000049, 0), (60, 60_000_000), (0.1 + 0.2, 300_000)]
)
def test_durations_are_whole_microseconds_halves_upwards(amount: float, us: int) -> None:
    assert micros(amount, SECOND) == us


def test_marks_are_found_by_time_in_whatever_order_they_came() -> None:
    marks = Marks()
    for time, label in ((5, "b"), (1, "a"), (5, "a"), (9, "c")):
        marks.add(time, label)
    assert marks.labels(1, 9) == ["a", "a", "b"]
    assert (marks.count(2, 9), marks.count(9, 2)) == (2, 0)
    marks.forget(5)
    assert marks.labels(0, 10) == ["a", "b", "c"]


def test_forgetting_frees_what_no_later_month_needs() -> None:
    scene = Scene()
    for minute in range(3000):
        scene.probe(scene.start + minute * 60 * SECOND, minute % 2 == 0)
    scene.exclude(scene.start, scene.start + DAY)
    later = scene.end + 800 * DAY
    scene.own.forget(later)
    assert not scene.own.probes.probed
    assert list(scene.own.ops.exclusions.in_force()) == []
    assert scene.verdict("connectivity.downtime") == "no_data"


def test_the_clauses_and_windows_are_pure() -> None:
    allowed = {
        "mailsla.schemas",
        "mailsla.streams.clauses",
        "mailsla.streams.time",
        "mailsla.streams.latency",
    }
    allowed |= {"numpy", "pyarrow"}
    allowed |= {"chinese_calendar"}
    forbidden = {"asyncio", "io", "os", "pathlib", "socket", "subprocess", "threading", "time"}
    root = Path(__file__).parents[2] / "streams"
    files = [*root.joinpath("clauses").rglob("*.py"), *root.joinpath("time").glob("*.py")]
    assert len(files) > 20
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                ours = any(f"{name}.".startswith(f"{each}.") for each in allowed)
                assert ours or (top in sys.stdlib_module_names and top not in forbidden), (
                    f"{path.name} imports {name}"
                )
