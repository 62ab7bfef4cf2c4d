"""The random histories: valid, repeatable, and rich enough to be worth comparing."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings

from mailsla.schemas.codec.records import decode_event
from mailsla.schemas.envelope import Event
from mailsla.schemas.indicators import INDICATORS
from mailsla.schemas.registry import TYPES
from tests.reference.log import TOPIC_OF
from tests.reference.strategies import History, checked_months, histories, seeded_month

pytestmark = pytest.mark.slow

BROKER_TIME = datetime(2100, 1, 1, tzinfo=UTC)
SEEDS = range(150)


def test_the_reference_s_topics_are_those_of_the_schemas():
    assert {name: place.topic for name, place in TYPES.items()} == TOPIC_OF


def check(history: History):
    for topic, key, value in history.records():
        event = decode_event(topic, value, BROKER_TIME)
        assert isinstance(event, Event), (event, value)
        assert event.tenant_id.encode() == key


@given(histories())
@settings(max_examples=40, deadline=None)
def test_every_drawn_event_is_valid_and_every_tenant_has_every_finding(history: History):
    check(history)
    found = history.judged()
    tenants = {tenant for tenant, _ in found}
    assert set(found) == {(tenant, name) for tenant in tenants for name in INDICATORS}


def test_seeded_months_are_valid_and_repeatable():
    for seed in SEEDS:
        check(seeded_month(seed))
    assert seeded_month(3) == seeded_month(3)
    assert seeded_month(3) != seeded_month(4)


def test_an_identity_never_names_two_different_events():
    for seed in SEEDS:
        by_identity = {}
        for event in seeded_month(seed).events:
            first = by_identity.setdefault((event["source"], event["id"]), event)
            assert first == event


def test_seeded_months_reach_every_verdict_and_every_type():
    verdicts, types, sizes, excluded = Counter(), set(), [], set()
    for seed in SEEDS:
        history = seeded_month(seed)
        sizes.append(len(history.events))
        types |= {event["type"] for event in history.events}
        for (_, indicator), finding in history.judged().items():
            verdicts[indicator, finding.verdict] += 1
            if finding.excluded:
                excluded.add(indicator)
    wanted = {
        (name, verdict)
        for name, indicator in INDICATORS.items()
        if indicator.judged
        for verdict in ("met", "breached", "no_data")
    }
    assert wanted - set(verdicts) == set()
    for seed in SEEDS:
        types |= {event["type"] for event in checked_months(seed).events}
    # How far a mail log is read is no matter of the agreement.
    assert set(TYPES) - types <= {"source.unblocked", "ticket.answered", "source.progress"}
    assert {"connectivity.downtime", "latency.send.mean", "operations.fault_duration"} <= excluded
    assert ("operations.fault_free_days", "not_judged") in verdicts
    assert 20 < sum(sizes) / len(sizes) < 150
