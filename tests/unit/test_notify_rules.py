"""Who is told of what, when, under which signature; nothing that waits is forgotten."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mailsla.streams.notify.events import News, read_news
from mailsla.streams.notify.messages import LINES, compose
from mailsla.streams.notify.pacing import Backoff
from mailsla.streams.notify.queue import Queue, Waiting
from mailsla.streams.notify.routes import Quiet, Route, load_routes
from mailsla.streams.notify.signing import headers
from mailsla.streams.notify.worker import sample_news as made_up
from mailsla.streams.settings import ConfigurationError

HOOK = {"kind": "webhook", "url": "https://desk.example/hook"}
AT = datetime(2026, 10, 3, 2, tzinfo=UTC)


def news(tenant="acme", type_="sla.indicator.breached", cause=None, **data):
    document = json.loads(made_up(AT).value)
    document |= {"subject": tenant, "type": type_, "id": f"{tenant}-{type_}-{sorted(data.items())}"}
    document["data"] |= {"tenant_id": tenant, "state": "breached", "observed": 2640.002} | data
    if cause:
        document["data"]["cause"] = cause
    found = read_news(json.dumps(document).encode())
    assert found is not None
    return found


def closed(verdict="incomplete"):
    data = {"tenant_id": "acme", "month": "2026-10", "revision": 1, "verdict": verdict}
    document = {
        "specversion": "1.0", "id": "c", "source": "x", "subject": "acme",
        "time": "2026-11-01T00:00:00Z", "type": "sla.month.closed",
        "data": data | {"remedies": [], "items": []},
    }  # fmt: skip
    found = read_news(json.dumps(document).encode())
    assert found is not None
    return found


def route(**fields):
    return Route.model_validate({"name": "desk", "to": HOOK} | fields)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, "breached at_risk recovered closed"),
        ({"severity": "breached"}, "breached"),
        ({"severity": "at_risk"}, "breached at_risk closed"),
        ({"types": ["sla.month.closed"]}, "closed"),
        ({"types": ["sla.indicator.recovered"], "severity": "breached"}, "recovered"),
        ({"sections": [1]}, "breached at_risk recovered"),
        ({"sections": [9]}, ""),
        ({"tenants": ["acme"]}, "breached at_risk recovered closed"),
        ({"tenants": ["other"]}, ""),
    ],
)
def test_a_route_chooses(fields, wanted):
    events = {
        "breached": news(),
        "at_risk": news(type_="sla.indicator.at_risk", state="at_risk"),
        "recovered": news(type_="sla.indicator.recovered", state="ok"),
        "closed": closed(),
    }
    chosen = [name for name, one in events.items() if route(**fields).wants(one.event)]
    assert " ".join(chosen) == wanted


def test_the_signature_is_that_of_standard_webhooks():
    named = headers("id-1", b'{"a":1}', b"secret", 1_700_000_000)
    signed = b'id-1.1700000000.{"a":1}'
    expected = base64.b64encode(hmac.digest(b"secret", signed, hashlib.sha256)).decode()
    assert named["webhook-signature"] == f"v1,{expected}"
    assert (named["webhook-id"], named["webhook-timestamp"]) == ("id-1", "1700000000")
    assert named["Content-Type"] == "application/cloudevents+json"
    assert "webhook-signature" not in headers("id-1", b"", None, 0)


def test_a_platform_fault_is_one_line_and_a_burning_budget_speaks_once():
    storm = [news(f"t{n}", cause="storm-1") for n in range(3000)]
    told = compose([(one.event, one.cause) for one in storm], "en")
    assert told.text.splitlines() == [told.subject]
    assert told.subject.startswith("3,000 tenants breached · Downtime of the month 44 min 0.002 s")
    assert "cause: storm-1" in told.subject


def test_a_message_names_what_is_owed_and_the_zone_and_never_too_much():
    many = compose([(news(f"t{n}").event, None) for n in range(50)], "zh")
    lines = many.text.splitlines()
    assert len(lines) == LINES + 1
    assert lines[-1] == "……另有 30 项"
    assert "赔偿：当月双倍服务时长" in lines[0]
    assert "2026-10-03 10:00:00 UTC+0800" in lines[0]
    assert many.subject.endswith("（另有 49 项）")


def test_an_incomplete_month_is_no_certificate():
    assert "incomplete" in compose([(closed().event, None)], "en").text


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-10-03T22:00:00+08:00", "2026-10-04T07:00:00+08:00"),
        ("2026-10-04T06:59:59+08:00", "2026-10-04T07:00:00+08:00"),
        ("2026-10-04T07:00:00+08:00", None),
        ("2026-10-04T21:59:59+08:00", None),
        ("2026-10-31T23:00:00+08:00", "2026-11-01T07:00:00+08:00"),
    ],
)
def test_quiet_hours_end_on_the_receiver_s_clock(now, ends):
    quiet = Quiet.model_validate({"from": "22:00", "to": "07:00"})
    found = quiet.ends(datetime.fromisoformat(now).astimezone(UTC))
    assert found == (None if ends is None else datetime.fromisoformat(ends))


def test_quiet_hours_within_a_day():
    noon = Quiet.model_validate({"from": "12:00", "to": "13:00", "zone": "UTC"})
    assert noon.ends(datetime(2026, 1, 1, 12, 30, tzinfo=UTC)) is not None
    assert noon.ends(datetime(2026, 1, 1, 13, tzinfo=UTC)) is None


@given(st.integers(1, 100), st.floats(0, 1, exclude_max=True))
def test_the_pause_grows_to_its_cap_and_never_vanishes(failures, chance):
    backoff = Backoff(first_s=0.5, cap_s=60.0)
    assert 0.25 <= backoff.delay(failures, chance) <= 60.0
    assert backoff.delay(failures + 1, chance) >= backoff.delay(failures, chance)


OFFSETS = st.lists(st.booleans(), min_size=1, max_size=30)
"""Of records in order: whether each is wanted."""


@given(OFFSETS, st.sets(st.integers(0, 29)))
def test_what_is_committed_never_passes_what_waits(wanted, delivered):
    queue, place = Queue(), ("sla.breaches", 0)
    for offset, waits in enumerate(wanted):
        queue.read(place, offset, Waiting(offset, made_up(AT), 0) if waits else None)
    queue.done(place, delivered)
    waiting = [n for n, waits in enumerate(wanted) if waits and n not in delivered]
    assert queue.to_commit() == {place: waiting[0] if waiting else len(wanted)}
    assert len(queue) == len(waiting)
    queue.committed(queue.to_commit())
    assert queue.to_commit() == {}


ROUTES = {
    "routes": [
        {"name": "desk", "to": HOOK, "severity": "breached"},
        {
            "name": "on-call",
            "sections": [1, 2],
            "quiet": {"from": "22:00", "to": "07:00"},
            "to": {"kind": "mail", "host": "mx.example", "from": "sla@example.net",
                   "to": ["ops@example.net"], "lang": "zh"},
        },
        {"name": "room", "to": {"kind": "chat", "url": "https://chat.example/in",
                                "template": {"msgtype": "text", "text": {"content": "{text}"}}}},
    ]
}  # fmt: skip


def written(tmp_path, document):
    path = tmp_path / "routes.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def test_a_file_holds_routes_of_every_kind(tmp_path):
    routes = load_routes(written(tmp_path, ROUTES))
    assert [each.to.kind for each in routes] == ["webhook", "mail", "chat"]
    assert [each.pause_s for each in routes] == [0, 5, 5]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"routes": []}, "routes: "),
        ({"routes": [{"name": "a", "to": HOOK}] * 2}, "two routes are named a"),
        ({"routes": [{"name": "a", "to": HOOK, "types": ["sla.nap"]}]}, "'sla.nap' is no type"),
        ({"routes": [{"name": "a", "to": HOOK | {"url": "http://u:p@x/"}}]}, "routes.0.to.webhook"),
        ({"routes": [{"name": "a", "to": HOOK, "colour": "red"}]}, "routes.0.colour"),
        ({"routes": [{"name": "a", "to": HOOK, "group_s": 5}]}, "leave group_s out"),
        ("routes: [", "is not valid YAML at line"),
    ],
)
def test_a_wrong_file_is_told_by_its_field(tmp_path, document, says):
    with pytest.raises(ConfigurationError, match=says):
        load_routes(written(tmp_path, document))


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b'{"data": 1, "type": "x"}', b"\xff"])
def test_what_is_no_event_is_no_news(value):
    assert read_news(value) is None


def test_fields_of_a_newer_release_are_passed_on_unread():
    document = json.loads(news().value) | {"traceparent": "00-1"}
    document["data"]["since"] = "2026-10-03T02:00:00Z"
    value = json.dumps(document).encode()
    found = read_news(value)
    assert isinstance(found, News)
    assert found.value == value
