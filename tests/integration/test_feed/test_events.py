"""The feed's events, as the official CloudEvents SDK and ClickHouse have them."""

import json
import re

import jsonschema
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event
from kafka.admin import ConfigResource, ConfigResourceType

from mailsla.schemas.export.json_schemas import result_schema
from mailsla.schemas.indicators import INDICATORS
from mailsla.schemas.results import RESULT_MODELS
from mailsla.schemas.topics import EVENT_TOPICS
from mailsla.sinks.ddl import FACT_TABLES
from mailsla.streams.runtime.kafka.admin import administration
from tests.integration.test_feed.story import EXPECTED, MONTH

pytestmark = pytest.mark.kafka

# Word for word what the interface promises of an event's data.
FIELDS = {
    "tenant_id", "contract_version", "section", "indicator", "period", "state", "observed",
    "target", "comparator", "unit", "remedy", "sequence", "evidence", "profile", "event_time",
    "excluded", "since", "announced",
}  # fmt: skip


def read_by_sdk(record):
    message = KafkaMessage(dict(record.headers), record.key, record.value)
    return from_structured_event(message)


def test_the_official_sdk_reads_the_feed(feed):
    for record in feed:
        assert record.headers == (("content-type", b"application/cloudevents+json"),)
        event = read_by_sdk(record)
        assert (event.get_specversion(), event.get_source()) == ("1.0", "mailsla/streams")
        assert event.get_datacontenttype() == "application/json"
        assert re.fullmatch(r"[0-9a-f-]{36}", event.get_id())
        assert re.fullmatch(r"sla\.(indicator|budget)\.[a-z_]+", event.get_type())
        assert event.get_subject().encode() == record.key
        assert event.get_time().tzinfo is not None
        data = event.get_data()
        assert set(data) - ({"burn"} if event.get_type() == "sla.budget.burn" else set()) == FIELDS
        assert data["tenant_id"] == event.get_subject()
        assert len(data["evidence"]) <= 20


def test_the_official_sdk_reads_the_closings(stack):
    closings = stack.read("sla.closings")
    assert {record.key.decode() for record in closings} >= {tenant for tenant, _ in EXPECTED}
    for record in closings:
        event = read_by_sdk(record)
        assert (event.get_type(), event.get_source()) == ("sla.month.closed", "mailsla/closing")
        assert event.get_subject().encode() == record.key
        assert event.get_data()["month"] == f"{MONTH:%Y-%m}"
        assert {item["indicator"] for item in event.get_data()["items"]} == set(INDICATORS)
    assert len({read_by_sdk(record).get_id() for record in closings}) == len(closings)


@pytest.mark.parametrize("topic", RESULT_MODELS)
def test_every_record_of_a_result_topic_fits_its_published_schema(stack, topic):
    draft = jsonschema.Draft202012Validator
    validator = draft(result_schema(topic), format_checker=draft.FORMAT_CHECKER)
    records = stack.read(topic)
    assert records
    for record in records:
        validator.validate(json.loads(record.value))


def test_the_story_is_told_numbered_without_a_gap(told):
    histories = {}
    for event in told.values():
        data = event["data"]
        key = (event["subject"], data["indicator"], data["period"])
        histories.setdefault(key, []).append(event)
    for events in histories.values():
        assert [each["data"]["sequence"] for each in events] == [*range(1, len(events) + 1)]
    for (tenant, indicator), last in EXPECTED.items():
        types = [each["type"] for each in histories[tenant, indicator, f"{MONTH:%Y-%m}"]]
        assert "sla.indicator.breached" in types
        assert types[-1] == f"sla.indicator.{last}"


def rows_of(stack, reference):
    """How many rows a reference of the evidence names."""
    source, mark, name = reference.partition("#")
    if mark:
        return sum(
            stack.rows(
                f"SELECT count() FROM {FACT_TABLES[topic.name]} FINAL"
                " WHERE source = {source:String} AND id = {id:String}",
                source=source,
                id=name,
            )[0][0]
            for topic in EVENT_TOPICS
        )
    if reference.startswith("outage-"):
        sql = "SELECT count() FROM outages FINAL WHERE outage_id = {id:String}"
        return stack.rows(sql, id=reference)[0][0]
    if reference.startswith("unreachable-"):
        sql = (
            "SELECT count() FROM support_events FINAL"
            " WHERE type = 'channel.down' AND toUnixTimestamp64Micro(time) = {us:Int64}"
        )
        return stack.rows(sql, us=int(reference.removeprefix("unreachable-")))[0][0]
    # Something that was missing: there is no event to name.
    assert re.fullmatch(r"(day|week)-\d{4}-\d{2}-\d{2}", reference), reference
    return 1


def test_evidence_leads_to_rows(stack, told):
    references = {each for event in told.values() for each in event["data"]["evidence"]}
    assert {re.split(r"#|-", each)[0] for each in references} >= {"outage", "unreachable", "day"}
    assert any("#" in each for each in references)
    assert {each: rows_of(stack, each) for each in references} == dict.fromkeys(references, 1)


def test_feed_and_status_land_in_their_tables(stack, told):
    landed = stack.rows("SELECT id, tenant_id, type, indicator, sequence FROM breaches FINAL")
    assert set(landed) == {
        (name, each["subject"], each["type"], each["data"]["indicator"], each["data"]["sequence"])
        for name, each in told.items()
    }
    last = {}
    for record in stack.read("sla.status"):
        status = json.loads(record.value)
        assert record.key.decode() == f"{status['tenant_id']}/{status['indicator']}"
        key = (status["tenant_id"], status["indicator"], status["period"])
        last[key] = (status["state"], status["sequence"])
    rows = stack.rows("SELECT tenant_id, indicator, period, state, sequence FROM status FINAL")
    assert {row[:3]: row[3:] for row in rows} == last


def test_status_is_compacted_and_the_feed_is_not(stack):
    with administration(stack.settings) as admin:
        found = {
            name: topic_config(admin, name)["cleanup.policy"]
            for name in ("sla.status", "sla.breaches", "sla.closings")
        }
    assert found == {"sla.status": "compact", "sla.breaches": "delete", "sla.closings": "delete"}


def topic_config(admin, name):
    answer = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return {key: value["value"] for key, value in answer["topic"][name].items()}
