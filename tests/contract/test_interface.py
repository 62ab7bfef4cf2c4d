"""The models and topics are the published interface, restated here in its own words.

`EVENTS` is what producers were promised: per topic and type the required fields, the optional
fields and whether ``*`` (the whole platform) may be the tenant. Widening it is fine; a change
that makes one of these tests fail breaks a producer.
"""

from typing import get_args

import pytest

from mailsla.schemas import topics
from mailsla.schemas.codec.records import Rejection, decode_event
from mailsla.schemas.contract import Contract
from mailsla.schemas.envelope import MAX_EVENT_BYTES
from mailsla.schemas.export.examples import BROKER_TIME, valid
from mailsla.schemas.registry import EVENT_TYPES
from mailsla.schemas.results import RESULT_MODELS, BreachData, BreachEvent, Window
from tests.contract.records import changed, first

ENVELOPE = {"id", "source", "type", "tenant_id", "time"}
PLATFORM, TENANT = True, False

MESSAGE = "message_id direction recipient"
MESSAGE_MAY = "size_bytes peer mailbox liability estimate"

# topic → type → (required besides the envelope, optional, may concern the platform)
EVENTS = {
    "mail.mta": {
        "message.accepted": (MESSAGE, f"{MESSAGE_MAY} accepted_at", TENANT),
        "message.dispatched": (f"{MESSAGE} accepted_at", f"{MESSAGE_MAY} attempt", TENANT),
        "message.delivered": (f"{MESSAGE} accepted_at", MESSAGE_MAY, TENANT),
        "message.deferred": (MESSAGE, f"{MESSAGE_MAY} accepted_at reason dsn", TENANT),
        "message.bounced": (MESSAGE, f"{MESSAGE_MAY} accepted_at reason dsn", TENANT),
        "message.expired": (MESSAGE, f"{MESSAGE_MAY} accepted_at reason dsn", TENANT),
        "message.discarded": (MESSAGE, f"{MESSAGE_MAY} accepted_at reason dsn", TENANT),
        "message.rejected": (MESSAGE, f"{MESSAGE_MAY} accepted_at reason dsn", TENANT),
    },
    "mail.probe": {
        "probe.result": (
            "probe channel capability scope ok interval_s",
            "duration_ms error vantage",
            PLATFORM,
        ),
        "page.loaded": ("bandwidth load_ms", "url vantage", PLATFORM),
    },
    "mail.ops": {
        "incident.opened": ("incident_id kind", "component description", PLATFORM),
        "incident.closed": ("incident_id", "", PLATFORM),
        "exclusion.declared": (
            "exclusion_id code starts_at ends_at",
            "sections consent_ref note actor",
            PLATFORM,
        ),
        "exclusion.revoked": ("exclusion_id", "", PLATFORM),
        "outage.declared": ("outage_id starts_at ends_at reason actor", "evidence", PLATFORM),
        "outage.revoked": ("outage_id", "", PLATFORM),
        "event.voided": ("voids_topic voids_source voids_id reason actor", "", PLATFORM),
        "approval.given": ("approves actor", "", PLATFORM),
        "monitor.heartbeat": ("monitor interval_s", "", PLATFORM),
        "source.progress": ("of", "", PLATFORM),
    },
    "mail.antivirus": {
        "definitions.updated": ("engine version", "signatures", PLATFORM),
        "outbreak.declared": ("outbreak_id", "name", PLATFORM),
        "outbreak.ended": ("outbreak_id", "name", PLATFORM),
        "message.scanned": (
            "message_id mailbox verdict action policy",
            "kept_original keep_original_policy attachment_type scan_ms",
            TENANT,
        ),
    },
    "mail.backup": {
        "backup.completed": ("backup_id kind started_at", "bytes tool", PLATFORM),
        "backup.failed": ("backup_id kind", "reason", PLATFORM),
        "backup.deleted": ("backup_id completed_at", "", PLATFORM),
        "account.locked": ("account", "", TENANT),
        "account.purged": ("account locked_at", "", TENANT),
    },
    "mail.billing": {
        "customer.charged": ("charge_id amount currency billing_month", "", TENANT),
        "billing.error_confirmed": ("charge_id billing_month", "kind amount", TENANT),
        "payment.confirmed": ("order_id domain_kind", "", TENANT),
        "service.opened": ("order_id notified_at", "", TENANT),
    },
    "mail.abuse": {
        "complaint.received": ("case_id origin", "reporter", TENANT),
        "complaint.responded": ("case_id", "", TENANT),
        "complaint.result_notified": ("case_id", "", TENANT),
        "source.confirmed": ("case_id", "address reported_to", PLATFORM),
        "source.blocked": ("case_id", "address reported_to", PLATFORM),
        "source.unblocked": ("case_id", "address reported_to", PLATFORM),
        "source.reported": ("case_id", "address reported_to", PLATFORM),
        "blocklist.published": ("list_id", "", PLATFORM),
        "blocklist.processed": ("list_id", "", PLATFORM),
        "listing.detected": ("listing_id", "list_name address", PLATFORM),
        "listing.reported": ("listing_id", "list_name address", PLATFORM),
    },
    "mail.support": {
        "channel.up": ("channel", "", PLATFORM),
        "channel.down": ("channel", "", PLATFORM),
        "ticket.opened": ("ticket_id channel", "", TENANT),
        "ticket.answered": ("ticket_id channel", "", TENANT),
    },
    "mail.security": {"security.incident": ("incident_id kind severity", "note", TENANT)},
}
FLAT = {name: (topic, *rest) for topic, types in EVENTS.items() for name, rest in types.items()}

CAUSES = (
    "agreed_maintenance foreign_system customer_equipment customer_misuse customer_negligence "
    "carrier force_majeure"
)

# (type, field) → every value a producer may send
CHOICES = {
    ("message.accepted", "direction"): "outbound inbound",
    ("message.bounced", "direction"): "outbound inbound",
    ("message.accepted", "estimate"): "exact upper_bound",
    ("message.accepted", "liability"): CAUSES,
    ("probe.result", "channel"): "smtp submission imap pop3 web activesync",
    ("probe.result", "capability"): "send receive",
    ("probe.result", "scope"): "internal external",
    ("page.loaded", "bandwidth"): "narrowband broadband",
    ("incident.opened", "kind"): "fault adjustment",
    ("exclusion.declared", "code"): CAUSES,
    ("message.scanned", "verdict"): "clean infected error skipped",
    ("message.scanned", "action"): "none cleaned quarantined deleted tagged",
    ("message.scanned", "policy"): "clean detect off",
    ("backup.completed", "kind"): "full incremental differential",
    ("backup.failed", "kind"): "full incremental differential",
    ("payment.confirmed", "domain_kind"): "own new",
    ("complaint.received", "origin"): "own_domain foreign",
    ("source.reported", "reported_to"): "association provider nsp",
    ("channel.up", "channel"): "phone mail web",
    ("ticket.opened", "channel"): "phone mail web",
    ("security.incident", "severity"): "low medium high critical",
}

# (type, field) → most characters
LENGTHS = {
    ("message.accepted", "id"): 128,
    ("message.accepted", "source"): 128,
    ("message.accepted", "tenant_id"): 64,
    ("message.accepted", "message_id"): 256,
    ("message.accepted", "recipient"): 320,
    ("message.scanned", "message_id"): 256,
}

RESULTS = {
    "sla.windows": ("delete", 7),
    "sla.outages": ("compact,delete", 400),
    "sla.breaches": ("delete", 400),
    "sla.status": ("compact", None),
    "sla.closings": ("delete", None),
    "sla.dead_letters": ("delete", 30),
    "sla.contracts": ("compact", None),
    "sla.calendars": ("compact", None),
}


def decide(type_name, **changes):
    topic = FLAT[type_name][0]
    return decode_event(topic, changed(first(topic, type_name), **changes), BROKER_TIME)


def accepted(type_name, **changes):
    return not isinstance(decide(type_name, **changes), Rejection)


def test_the_topics_and_types_are_the_promised_ones():
    assert {topic: set(types) for topic, types in EVENT_TYPES.items()} == {
        topic: set(types) for topic, types in EVENTS.items()
    }
    assert {topic.name for topic in topics.EVENT_TOPICS} == set(EVENTS)


@pytest.mark.parametrize("type_name", FLAT)
def test_fields_are_required_and_optional_as_promised(type_name):
    topic, required, optional, platform = FLAT[type_name]
    fields = EVENT_TYPES[topic][type_name].model_fields
    assert {n for n, f in fields.items() if f.is_required()} == ENVELOPE | set(required.split())
    assert {n for n, f in fields.items() if not f.is_required()} == set(optional.split())
    assert accepted(type_name)
    assert accepted(type_name, tenant_id="*") == platform
    assert accepted(type_name, a_field_from_the_future={"any": ["thing"]})
    assert decide(type_name, **dict.fromkeys(optional.split())) == decide(type_name)


@pytest.mark.parametrize(("type_name", "field"), CHOICES)
def test_closed_choices_are_the_promised_ones(type_name, field):
    for value in CHOICES[type_name, field].split():
        assert accepted(type_name, **{field: value}), value
    refused = decide(type_name, **{field: "anything else"})
    assert refused.field == field
    assert all(value in refused.reason for value in CHOICES[type_name, field].split())


@pytest.mark.parametrize(("type_name", "field"), LENGTHS)
def test_texts_may_be_as_long_as_promised_in_characters(type_name, field):
    sign = "x" if field == "tenant_id" else "客"
    longest = LENGTHS[type_name, field]
    assert accepted(type_name, **{field: sign * longest})
    assert decide(type_name, **{field: sign * (longest + 1)}).field == field
    assert decide(type_name, **{field: ""}).field == field


def test_a_dispatch_is_outbound_a_delivery_inbound_and_attempts_and_estimates_have_defaults():
    assert decide("message.dispatched").attempt == 1
    assert decide("message.dispatched").estimate == "exact"
    assert decide("message.dispatched").direction == "outbound"
    assert decide("message.delivered").direction == "inbound"


def test_free_text_where_the_interface_leaves_the_list_open():
    assert accepted("billing.error_confirmed", kind="something new")
    assert accepted("security.incident", kind="something new")


def test_an_event_has_at_most_64_kib():
    assert MAX_EVENT_BYTES == 64 * 1024


@pytest.mark.parametrize("name", RESULTS)
def test_clean_up_and_retention_are_the_promised_ones(name):
    topic = next(topic for topic in topics.ALL_TOPICS if topic.name == name)
    cleanup, days = RESULTS[name]
    assert (topic.cleanup, topic.retention_days) == (cleanup, days)
    config = topic.config()
    assert config["cleanup.policy"] == cleanup
    assert config["retention.ms"] == ("-1" if days is None else str(days * 86_400_000))


def test_topic_names_are_unique_and_every_result_topic_has_a_model():
    names = [topic.name for topic in topics.ALL_TOPICS]
    assert len(set(names)) == len(names)
    assert {topic.name for topic in topics.RESULT_TOPICS} == set(RESULT_MODELS)
    assert set(RESULT_MODELS) == set(RESULTS) - {"sla.contracts", "sla.calendars"}
    assert "raw.maillog" in names


def test_topics_whose_time_decides_carry_the_clock_of_the_broker():
    # What is too far ahead has to be a fact of the log, the same in every replay; and of status
    # and contracts the newest record holds, whatever the clock of the host that published it.
    for topic in (*topics.EVENT_TOPICS, topics.STATUS, topics.CONTRACTS):
        assert topic.config()["message.timestamp.type"] == "LogAppendTime"


def test_the_breach_feed_is_the_promised_one():
    assert set(get_args(BreachEvent.model_fields["type"].annotation)) == {
        *(
            f"sla.indicator.{s}"
            for s in ["at_risk", "failing", "recovered", "breached", "withdrawn"]
        ),
        "sla.budget.burn",
    }
    assert set(BreachData.model_fields) == {
        "tenant_id",
        "contract_version",
        "section",
        "indicator",
        "period",
        "state",
        "observed",
        "target",
        "comparator",
        "unit",
        "remedy",
        "sequence",
        "evidence",
        "profile",
        "event_time",
        "excluded",
        "burn",
    }


def test_a_window_record_has_the_promised_values():
    assert set(Window.model_fields) == {
        "tenant_id",
        "family",
        "direction",
        "window",
        "window_start",
        "window_end",
        "as_of",
        "revision",
        "count",
        "mean_s",
        "max_s",
        "exceedances",
        "p50_s",
        "p95_s",
        "p99_s",
        "state",
        "down_s",
        "excluded_s",
        "net_down_s",
        "unobserved_s",
        "burn_rate",
        "open_incidents",
        "fault_s",
        "adjustment_s",
        "availability",
    }


def test_a_contract_has_the_promised_fields():
    assert {n for n, f in Contract.model_fields.items() if f.is_required()} == {
        "tenant_id",
        "version",
        "effective_from",
    }
    assert {n for n, f in Contract.model_fields.items() if not f.is_required()} == {
        "name",
        "effective_to",
        "timezone",
        "calendar",
        "domains",
        "monthly_fee",
        "profile",
        "overrides",
    }
    plain = Contract.model_validate_json(valid("sla.contracts")[0].value)
    assert (plain.calendar, plain.timezone) == ("CN", "Asia/Shanghai")
