"""The real Postfix logs and what client and destination saw of them."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from mailsla.streams.connectors.postfix import PostfixConnector, Site, TenantMap

CORPUS = Path(__file__).parents[1] / "corpora" / "postfix"
LONG_ID_LOG = CORPUS / "mail.rfc3339.longid.log"
SHORT_ID_LOG = CORPUS / "maillog"
RSYSLOG_JSON = CORPUS / "mail.rsyslog.jsonl"
REFERENCE = datetime(2026, 11, 23, tzinfo=UTC)
SITE = Site(TenantMap({"tenant-a.test": "tenant-a", "tenant-b.test": "tenant-b"}))


def raw_lines(path):
    return path.read_bytes().splitlines(keepends=True)


def ship(lines, site=SITE, reference=REFERENCE, **key):
    """All events of the lines, and the connector that made them."""
    connector = PostfixConnector(site, reference)
    events = [event for line in lines for event in connector.feed(line, **key)]
    return [*events, *connector.flush()], connector


def read_truth(name):
    return [json.loads(line) for line in (CORPUS / name).read_text().splitlines()]


def seconds(stamp):
    return datetime.fromisoformat(stamp).timestamp()


def latency(event):
    return seconds(event["time"]) - seconds(event["accepted_at"])


def queue_id(event):
    return event["message_id"].partition("-")[0]


def to_second_resolution(line):
    """An RFC 3339 line as a host that writes RFC 3164 would have stamped it."""
    match = re.match(rb"(\S+) (.*)", line, re.DOTALL)
    moment = datetime.fromisoformat(match[1].decode())
    return f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S} ".encode() + match[2]


def scenario(text):
    """Raw lines of an indented block."""
    return [line.strip().encode() + b"\n" for line in text.strip().splitlines()]


def brief(events):
    """(type without prefix, direction, recipient) of each event."""
    return [
        (event["type"].removeprefix("message."), event["direction"], event["recipient"])
        for event in events
    ]
