"""The log lines collected by postfix-grok-patterns, every daemon: same fields, no surprise.

The collection is not part of this project: the tests run where it lies beside it.
"""

import re
from pathlib import Path

import pytest
import yaml
from postfix_corpus import SITE

from mailsla.streams.connectors.postfix import PostfixConnector
from mailsla.streams.connectors.postfix.read.lines import (
    DELIVERY_DAEMONS,
    Active,
    Client,
    ConnectFailure,
    Expired,
    MessageId,
    Notification,
    Pickup,
    Refusal,
    RemoteTrouble,
    Removed,
    Session,
    StatusLine,
    micros,
    parser_of,
)

COLLECTION = Path(__file__).parents[3] / "shared" / "corpora" / "postfix-grok-patterns" / "test"
CASES = sorted(COLLECTION.glob("*.yaml"))

pytestmark = pytest.mark.skipif(not CASES, reason="postfix-grok-patterns does not lie beside")


def load(path):
    case = yaml.safe_load(path.read_text())
    daemon = re.search(r"POSTFIX_(\w+)", case["pattern"])[1].lower()
    return daemon, str(case["data"]), {k: str(v) for k, v in case["results"].items()}


def parsed(path):
    daemon, text, fields = load(path)
    parse = parser_of(daemon)
    return daemon, (parse(text) if parse else None), fields


def by_id(path):
    return path.stem


def test_the_collection_is_whole():
    assert len(CASES) == 191


@pytest.mark.parametrize("path", CASES, ids=by_id)
def test_every_line_is_taken_without_a_stop(path):
    daemon, text, _ = load(path)
    connector = PostfixConnector(SITE)
    line = f"2026-11-22T08:00:00.000000+00:00 mx postfix/{daemon}[1]: {text}"
    connector.feed(line.encode())
    assert connector.counters["lines"] == 1


@pytest.mark.parametrize("path", CASES, ids=by_id)
def test_the_queue_id_and_the_status_agree(path):
    daemon, record, fields = parsed(path)
    if "postfix_status" in fields and daemon in DELIVERY_DAEMONS:
        assert isinstance(record, StatusLine), "every status line is understood"
        assert record.status == fields["postfix_status"]
    if record is not None and getattr(record, "queue_id", None) is not None:
        assert record.queue_id == fields["postfix_queueid"]


@pytest.mark.parametrize("path", CASES, ids=by_id)
def test_the_delivery_fields_agree(path):
    _, record, fields = parsed(path)
    if not isinstance(record, StatusLine) or "postfix_keyvalue_data" not in fields:
        return
    pairs = dict(re.findall(r"(\w+)=(<[^>]*>|[^,]*)(?:, |,?$)", fields["postfix_keyvalue_data"]))
    assert record.recipient == pairs["to"].strip("<>")
    assert (record.original_recipient or "") == pairs.get("orig_to", "").strip("<>")
    assert record.relay == pairs["relay"]
    assert record.dsn == pairs["dsn"]
    assert record.delay == micros(pairs["delay"])
    stages = [record.before_active, record.in_manager, record.connection, record.transfer]
    assert stages == [micros(stage) for stage in pairs["delays"].split("/")]
    texts = [value for key, value in fields.items() if key.endswith("_response")]
    assert texts in ([], [record.text])


@pytest.mark.parametrize("path", CASES, ids=by_id)
def test_the_other_fields_agree(path):
    _, record, fields = parsed(path)
    match record:
        case Notification():
            assert record.notice == fields["postfix_bounce_queueid"]
        case Active():
            assert fields["postfix_keyvalue_data"].startswith(
                f"from=<{record.sender}>, size={record.size}, nrcpt={record.recipients}"
            )
        case Pickup():
            assert f"from=<{record.sender}>" in fields["postfix_keyvalue_data"]
        case Client():
            assert record.address in load(path)[1]
        case MessageId():
            assert record.message_id.strip("<>") == fields.get("postfix_message-id", "").strip("<>")
        case Session():
            assert record.kind in (fields.get("postfix_smtpd_lostconn_data"), "disconnect")
            if record.after:
                assert record.after == fields["postfix_smtp_stage"]
        case Refusal():
            stages = [value for key, value in fields.items() if key.endswith("smtp_stage")]
            assert stages in ([], [record.stage])
            pairs = fields.get("postfix_keyvalue_data", "")
            assert record.recipient is None or f"to=<{record.recipient}>" in pairs
            assert record.sender is None or f"from=<{record.sender}>" in pairs
            if "postfix_status_code_enhanced" in fields:
                assert record.dsn == fields["postfix_status_code_enhanced"]
        case RemoteTrouble() | ConnectFailure():
            expected = f"{fields['postfix_relay_hostname']}[{fields['postfix_relay_ip']}]"
            assert record.server.startswith(expected)
        case Removed():
            assert "removed" in fields.values()
        case Expired():
            assert fields["postfix_status"] == "expired"


def test_the_lines_that_matter_are_understood():
    understood = {by_id(path) for path in CASES if parsed(path)[1] is not None}
    queued = {
        by_id(path)
        for path in CASES
        if "postfix_queueid" in parsed(path)[2] and parsed(path)[2]["postfix_queueid"] != "NOQUEUE"
    }
    # What stays: header warnings, SASL and TLS remarks, workarounds; nothing about a message.
    assert len(queued - understood) <= 8, sorted(queued - understood)
