"""Text that means harm, in every field of every event: stored exactly or refused, shown as text."""

import json
import logging
from datetime import timedelta
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner

from mailsla.schemas.codec.columns import arrow_schema
from mailsla.schemas.codec.printable import printable
from mailsla.schemas.export.examples import valid
from mailsla.schemas.registry import EVENT_TYPES
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.ddl import FACT_TABLES
from mailsla.sinks.landing.facts import decode_facts
from mailsla.sinks.statement.facts.gather import closed_revisions, gather
from mailsla.sinks.statement.making import content_of
from mailsla.streams.cli.main import cli
from mailsla.streams.runtime.logs import ConsoleFormatter, JsonFormatter
from tests.integration.test_closing.conftest import forget
from tests.integration.test_closing.ledger import BROKER_US, land
from tests.integration.test_closing.month import OCTOBER
from tests.integration.web_site import served
from tests.reference.scenario import CUTOFF, TENANT, at, event, excluded, fault, received

pytestmark = pytest.mark.embedded

CORPUS = {
    "sql": "'; DROP TABLE mta_events; -- \\' OR 1=1",
    "sql parameter": "{tenant:String}{x:Identifier}",
    "html": "<script>alert(1)</script>",
    "attribute": "\"'><img src=x onerror=alert(1)>",
    "entity": "&lt;b&gt;&#x202e;",
    "template": "{{ 7 * 7 }}{% raw %}",
    "formula": "=cmd|' /C calc'!A0",
    "formula +": "+1+1",
    "formula @": "@SUM(1)\t=1",
    "format": "%s%n{0.__class__}",
    "markup": "[red]x[/red][link=http://e.example]",
    "escape": "\x1b[2J\x1b]0;owned\x07",
    "c1": "\x9b31m\x85",
    "null": "a\x00b",
    "lines": "a\r\nINJECTED: 1\n\n",
    "delete": "\x7f\x08\x08",
    "bidi": "\u202e\u2066evil\u200f",
    "invisible": "\ufeff\u200b\u00ad",
    "not a character": "\ufffe\U0010ffff",
    "composed": "e\u0301 \u00e9 \ufb01",
    "wide": "邮件\u3000服务 \U0001f4a3",
    "path": "../../etc/passwd",
}
STEERS = {*map(chr, range(9)), *map(chr, range(11, 32)), "\x7f", *map(chr, range(128, 160))} | set(
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
RAW = {
    "deep": b'{"id": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "deep in a good one": b'"note": ' + b"[" * 20_000 + b"]" * 20_000,
    "huge": b'"note": "' + b"x" * 1_000_000 + b'"',
    "utf-8": b'"source": "\xff\xfe"',
    "overlong": b'"source": "\xc0\xaf"',
    "surrogate": b'"source": "\\ud800"',
    "surrogate as bytes": b'"source": "\xed\xa0\x80"',
    "number": b'"attempt": 1e400',
    "digits": b'"attempt": ' + b"9" * 400,
    "not a number": b'"attempt": NaN',
    "below": b'"attempt": -1',
}


def examples(topic):
    """One whole event of each type."""
    found = {}
    for example in valid(topic):
        document = json.loads(example.value)
        if len(document) > len(found.get(document["type"], ())):
            found[document["type"]] = document
    return list(found.values())


def altered(topic):
    """(field, text, record): each text in each field that holds text."""
    number = 0
    for document in examples(topic):
        for field in arrow_schema(topic).names:
            for text in CORPUS.values() if isinstance(document.get(field), str) else ():
                number += 1
                own = {"id": f"h{number}", "source": f"s{number}"}
                yield field, text, document | own | {field: text}


@pytest.mark.parametrize("topic", sorted(EVENT_TYPES))
def test_every_text_in_every_field_is_stored_exactly_or_refused(client, topic):
    made = list(altered(topic))
    values = [json.dumps(record).encode() for _, _, record in made]
    times = np.full(len(values), BROKER_US)
    landed = decode_facts(topic, 0, np.arange(len(values)), values, times)
    client.insert_arrow(landed.table, landed.rows)
    names = sorted({field for field, _, _ in made})
    rows = client.query(
        f"SELECT `offset`, {', '.join(f'`{n}`' for n in names)} FROM {FACT_TABLES[topic]}"
    ).result_rows
    assert len(rows) == landed.rows.num_rows == len(values) - landed.rejected
    kept = set()
    for offset, *columns in rows:
        field, text, _ = made[offset]
        assert columns[names.index(field)] == text
        kept.add(field)
    assert kept >= {"id", "source"}
    assert not kept & {"tenant_id", "type", "time"}


@pytest.mark.parametrize("name", RAW)
def test_what_is_no_good_record_is_refused_and_takes_nobody_with_it(name):
    (whole, *_) = [one for one in examples("mail.mta") if "attempt" in one]
    good = json.dumps({key: value for key, value in whole.items() if key != "attempt"}).encode()
    bad = RAW[name] if RAW[name].startswith(b"{") else good[:-1] + b", " + RAW[name] + b"}"
    landed = decode_facts("mail.mta", 0, np.arange(3), [good, bad, good], np.full(3, BROKER_US))
    assert (landed.rows.num_rows, landed.rejected) == (2, 1)


def history():
    """A month of one tenant in which everything that is shown has every text in it."""
    for number, text in enumerate(CORPUS.values(), start=1):
        named = {"source": f"{number} {text}"[:120]}
        yield received(at(2, 1, number), 4_000, f"{number} {text}", recipient=text, **named)
        yield from fault(at(3, 1, number), 90, incident_id=f"{number} {text}", **named)
        yield excluded(at(4, 1, number), 60, exclusion_id=text, consent_ref=text, note=text)
        yield event("complaint.received", at(6), case_id=text, reporter=text)
        yield event("ticket.opened", at(7), ticket_id=text, channel="mail")
        spans = {"starts_at": at(8), "ends_at": at(8, 0, 1)}
        yield event("outage.declared", at(8), outage_id=text, reason=text, actor=text, **spans)


@pytest.fixture(scope="module")
def month(schema):
    """That month, closed."""
    forget(schema)
    land(schema, history(), CUTOFF - timedelta(seconds=1))
    (closing,) = close_month(schema, OCTOBER, contracts=[], now=CUTOFF)
    assert closing.verdict == "breached"
    yield schema
    forget(schema)


class _Tags(HTMLParser):
    """What a browser makes of a document."""

    def __init__(self, document):
        super().__init__()
        self.text, self.tags, self.attributes = "", set(), set()
        self.feed(document)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text += data


def check(document):
    """Nothing of the corpus has become markup, nothing steers; it is all there as text."""
    assert not STEERS & set(document)
    read = _Tags(document)
    assert "img" not in read.tags
    assert not {name for name in read.attributes if name.startswith("on")}
    assert "<script>alert(1)</script>" not in document
    return read.text


def test_a_statement_shows_it_as_text(month):
    (revision,) = closed_revisions(month, OCTOBER)
    (statement,) = gather(month, OCTOBER, [revision])
    text = check(content_of(statement, "en", "html").decode())
    assert CORPUS["html"] in text
    assert CORPUS["sql"] in text
    assert printable(CORPUS["escape"]) in text


def test_the_page_shows_it_as_text(month, server):
    own = f"/tenants/{TENANT}"
    paths = [own, f"{own}/month?month=2025-10", f"{own}/closings?month=2025-10"]
    shown = ("latency.exceedances", "operations.fault_duration", "antispam.complaint_response")
    paths += [f"{own}/evidence/{name}?month=2025-10" for name in shown]
    with served(server) as site:
        seen = ""
        for path in (*paths, "/platform/sources", "/messages?q=%3Cscript%3Ealert(1)%3C/script%3E"):
            answer = site.get(path)
            assert answer.status == 200, path
            seen += check(answer.text)
    assert CORPUS["html"] in seen
    assert CORPUS["sql"] in seen


def test_a_terminal_and_a_table_of_figures_are_not_steered(month, server):
    commands = [
        ("exclude", "list", "--tenant", TENANT),
        ("incident", "list", "--tenant", TENANT),
        ("explain", TENANT, "latency.exceedances", "2025-10"),
        ("credits", "2025-10", "--csv"),
    ]
    for words in commands:
        done = CliRunner().invoke(cli, words, env=server.variables)
        assert done.exit_code == 0, (words, done.output, done.exception)
        assert not (STEERS - {"\r"}) & set(done.stdout + done.stderr), words
        cells = [cell for line in done.stdout.splitlines() for cell in line.split(",")]
        assert "--csv" not in words or not [one for one in cells if one[:1] in set("=+-@\t")]


@pytest.mark.parametrize("text", CORPUS.values(), ids=CORPUS)
def test_a_log_keeps_it_on_one_line(text):
    record = logging.LogRecord("x", logging.INFO, "x", 1, "met %s", (text,), None)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == f"met {text}"
    line = ConsoleFormatter().format(record)
    assert line.endswith(f"met {printable(text, keep='')}")
    assert not (STEERS | {"\n", "\r"}) & set(line)
