"""Every way in which a line is written around the same four things, and every status word."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.streams.connectors.postfix import PostfixConnector, Site, TenantMap
from mailsla.streams.connectors.stamps import StampReader, to_datetime
from mailsla.streams.connectors.syslog import parse_line

TEXT = "4jXSs86QcVzK5wh: from=<li@acme.example>, size=2100, nrcpt=1 (queue active)"

# stamp, and whether it has a fraction of a second and whether it names its zone or year
STAMPS = {
    "rfc3164": lambda t: f"{t:%b} {t.day:2d} {t:%H:%M:%S}",
    "single blank": lambda t: f"{t:%b} {t.day} {t:%H:%M:%S}",
    "short-precise": lambda t: f"{t:%b} {t.day:02d} {t:%H:%M:%S.%f}",
    "rfc3339": lambda t: t.isoformat(timespec="microseconds"),
    "nanoseconds": lambda t: f"{t:%Y-%m-%dT%H:%M:%S.%f}789Z",
    "short-iso": lambda t: f"{t:%Y-%m-%dT%H:%M:%S%z}",
    "with a blank": lambda t: f"{t:%Y-%m-%d %H:%M:%S,%f}"[:-3],
    "short-full": lambda t: f"{t:%a %Y-%m-%d %H:%M:%S} UTC",
    "short-unix": lambda t: f"{t.timestamp():.6f}",
    "year after": lambda t: f"{t:%b} {t.day:2d} {t:%Y %H:%M:%S}",
    "year before": lambda t: f"{t:%Y %b} {t.day:2d} {t:%H:%M:%S}",
    "ctime": lambda t: f"{t:%a %b} {t.day:2d} {t:%H:%M:%S %Y}",
}
BEFORE = ["", "<22>", "\ufeff", "postfix-1  | ", "2026-10-13T01:00:00.000000789Z stdout F "]
BETWEEN = ["", "<mail.info> ", "mail.info ", "mail:info ", "info ", "[mail.info] "]
MARKS = ["", "[ID 197553 mail.info] ", "info: "]
BLANKS = [" ", "\t", "  "]


@settings(max_examples=400, deadline=None)
@given(
    moment=st.integers(0, 360 * 86_400_000_000).map(
        lambda micros: datetime(2026, 1, 2, tzinfo=UTC) + timedelta(microseconds=micros)
    ),
    stamp=st.sampled_from(sorted(STAMPS)),
    before=st.sampled_from(BEFORE),
    between=st.sampled_from(BETWEEN),
    mark=st.sampled_from(MARKS),
    blank=st.sampled_from(BLANKS),
    host=st.sampled_from(["", "mx1", "mx1.prov.example", "2001:db8::1"]),
    program=st.sampled_from(["postfix/qmgr", "postfix-10.1.2.3/qmgr", "postfix/out/qmgr"]),
)
def test_every_form_says_the_same(moment, stamp, before, between, mark, blank, host, program):
    written = STAMPS[stamp](moment)
    named = f"{host}{blank}" if host else ""
    line = f"{before}{written}{blank}{between}{named}{program}[900]:{blank}{mark}{TEXT}"
    parsed = parse_line(line, StampReader(UTC, moment + timedelta(hours=1)))
    assert parsed is not None, line
    assert (parsed.host, parsed.program, parsed.pid, parsed.text) == (host, program, "900", TEXT)
    assert timedelta() <= moment - to_datetime(parsed.stamp) < timedelta(seconds=1), line


@pytest.mark.parametrize(
    ("word", "kinds"),
    [
        # bounce.c, defer.c, sent.c, verify.c, trace.c of Postfix, and what nobody has seen.
        ("sent", ["accepted", "dispatched"]),
        ("deferred", ["accepted", "dispatched", "deferred"]),
        ("SOFTBOUNCE", ["accepted", "dispatched", "deferred"]),
        ("bounced", ["accepted", "dispatched", "bounced"]),
        ("deliverable", []),
        ("undeliverable", []),
        ("undeliverable-but-not-cached", []),
        ("frobbed", None),
    ],
)
def test_every_status_word_is_read_or_named(word, kinds):
    connector = PostfixConnector(Site(TenantMap({"acme.example": "acme"})))
    head = "2026-10-13T09:00:00.000000+08:00 mx1 postfix"
    events = []
    for line in (
        f"{head}/smtpd[1]: EA1C0E2B07: client=pc[10.8.0.7], sasl_username=li@acme.example",
        f"{head}/qmgr[2]: EA1C0E2B07: from=<li@acme.example>, size=1, nrcpt=1 (queue active)",
        f"{head}/smtp[3]: EA1C0E2B07: to=<x@far.example>, relay=mx[192.0.2.1]:25, delay=1, "
        f"delays=0/0/0/1, dsn=2.0.0, status={word} (text)",
    ):
        events += connector.feed(line.encode())
    assert [event["type"].removeprefix("message.") for event in events] == (kinds or [])
    assert connector.counters["not_understood"] == (kinds is None)
    if kinds is None:
        assert list(connector.misunderstood) == [f"smtp: status={word}"]
