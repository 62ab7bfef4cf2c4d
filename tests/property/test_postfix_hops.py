"""Any chain of filters and own hosts: each message once, from the first reception to the last stop.

client ─▶ mx: Q1 ─▶ filter ─▶ mx: Q2 ─▶ store: Q3 ─▶ mailbox
          ▲ accepted                                 ▲ delivered
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.streams.connectors.postfix import OwnRelays, PostfixConnector, Site, TenantMap

START = datetime(2026, 10, 5, 1, tzinfo=UTC)
SITE = Site(
    TenantMap({"acme.example": "acme"}),
    OwnRelays(["127.0.0.1:10024", "10.0.0.0/24:25", "filter"]),
)
HOSTS = ["mx1", "mx2", "out1"]

# How a message leaves a queue for the next one of the provider's.
NAMED = "named"  # smtp to the next host, which says `queued as`
FILTER = "filter"  # an SMTP filter that hands back and passes `queued as` on
XFORWARD = "xforward"  # a filter that hands back with orig_queue_id, and says only Ok
SILENT = "silent"  # a filter that hands back and says only Ok
PIPE = "pipe"  # a pipe(8) service that hands back through the maildrop
KINDS = (NAMED, FILTER, XFORWARD, SILENT, PIPE)


@dataclass(frozen=True)
class Step:
    kind: str
    takes: int
    """ms from the attempt's start to its status line"""
    waits: int
    """ms in the queue before the attempt that succeeds"""
    deferred: bool
    header: str
    """what becomes of the Message-ID behind it: kept, lost or replaced"""


@dataclass(frozen=True)
class Mail:
    at: int
    """ms after the start"""
    inbound: bool
    header: bool
    steps: list[Step]
    last_wait: int
    status_late: bool
    """the next queue's lines are written before the hop's status line"""


steps = st.builds(
    Step,
    kind=st.sampled_from(KINDS),
    takes=st.integers(200, 20_000),
    waits=st.integers(0, 3_000_000),
    deferred=st.booleans(),
    header=st.sampled_from(["kept", "lost", "replaced"]),
)
mails = st.builds(
    Mail,
    at=st.integers(0, 60_000),
    inbound=st.booleans(),
    header=st.booleans(),
    steps=st.lists(steps, max_size=4),
    last_wait=st.integers(0, 2_000),
    status_late=st.booleans(),
)


class Writer:
    """Writes what Postfix would, and remembers what is true."""

    def __init__(self):
        self.lines = []
        self.ids = 0
        self.truth = {}

    def write(self, ms, host, daemon, text):
        stamp = (START + timedelta(milliseconds=ms)).isoformat(timespec="microseconds")
        self.lines.append((ms, len(self.lines), f"{stamp} {host} postfix/{daemon}: {text}"))

    def queue_id(self):
        self.ids += 1
        return f"{0xA0000 + self.ids:X}B"

    def mail(self, number, mail):
        sender = f"bob{number}@far.example" if mail.inbound else f"li{number}@acme.example"
        to = f"li{number}@acme.example" if mail.inbound else f"who{number}@far.example"
        header = f"<m{number}@x>" if mail.header else "<>"
        host, queue_id, now = HOSTS[number % 3], self.queue_id(), mail.at
        login = "" if mail.inbound else f", sasl_method=PLAIN, sasl_username={sender}"
        client = f"smtpd[{queue_id}]", f"{queue_id}: client=pc[198.51.100.7]{login}"
        self.open(now, host, queue_id, header, sender, client)
        accepted = now + 30
        first = queue_id
        for step in mail.steps:
            tried = now + 40
            if step.deferred:
                self.status(tried, host, queue_id, to, step, 0, "deferred", tried - now)
                tried += 300_000
                self.active(tried, host, queue_id, sender)
            begin = tried + step.waits
            if step.waits:
                self.active(begin, host, queue_id, sender)
            next_host = HOSTS[(HOSTS.index(host) + 1) % 3] if step.kind == NAMED else host
            next_id = self.queue_id()
            end = begin + step.takes
            born = begin + 100 if step.kind != PIPE else begin + step.takes - 50
            header = {"kept": header, "lost": "<>", "replaced": f"<r{next_id}@x>"}[step.header]
            self.enter(born, next_host, next_id, header, sender, step, (host, queue_id))
            done = end
            self.status(done, host, queue_id, to, step, step.takes, "sent", 0, next_id)
            self.write(done + 1, host, "qmgr[1]", f"{queue_id}: removed")
            host, queue_id, now = next_host, next_id, born
            if not mail.status_late:
                now = max(now, done + 5)
        begin = now + 40 + mail.last_wait
        end = begin + 60
        if mail.inbound:
            finished, daemon = end, "lmtp[2]"
            relay = f"{host}[private/dovecot-lmtp]"
        else:
            finished, daemon = begin, "smtp[3]"
            relay = "mx.far.example[192.0.2.25]:25"
        self.write(
            end,
            host,
            daemon,
            f"{queue_id}: to=<{to}>, relay={relay}, delay=1, delays=0/0/0/0.06, dsn=2.0.0, "
            "status=sent (250 ok)",
        )
        self.write(end + 1, host, "qmgr[1]", f"{queue_id}: removed")
        self.truth[to] = (first, finished - accepted)

    def open(self, now, host, queue_id, header, sender, client):
        self.write(now, host, *client)
        self.write(now + 10, host, "cleanup[4]", f"{queue_id}: message-id={header}")
        self.active(now + 30, host, queue_id, sender)

    def active(self, now, host, queue_id, sender):
        self.write(
            now, host, "qmgr[1]", f"{queue_id}: from=<{sender}>, size=9, nrcpt=1 (queue active)"
        )

    def enter(self, born, host, queue_id, header, sender, step, before):
        if step.kind == PIPE:
            opening = "pickup[5]", f"{queue_id}: uid=50 from=<{sender}>"
        elif step.kind == NAMED:
            address = f"10.0.0.{HOSTS.index(before[0]) + 1}"
            opening = f"smtpd[{queue_id}]", f"{queue_id}: client={before[0]}[{address}]"
        else:
            more = f", orig_queue_id={before[1]}" if step.kind == XFORWARD else ""
            opening = f"smtpd[{queue_id}]", f"{queue_id}: client=localhost[127.0.0.1]{more}"
        self.open(born, host, queue_id, header, sender, opening)

    def status(self, now, host, queue_id, to, step, takes, word, delay, next_id=""):
        relay = {
            NAMED: f"next[10.0.0.{(HOSTS.index(host) + 1) % 3 + 1}]:25",
            PIPE: "filter",
        }.get(step.kind, "127.0.0.1[127.0.0.1]:10024")
        said = {
            NAMED: f"250 2.0.0 Ok: queued as {next_id}",
            FILTER: f"250 2.0.0 from MTA: 250 2.0.0 Ok: queued as {next_id}",
            PIPE: "delivered via filter service",
        }.get(step.kind, "250 Ok")
        if word == "deferred":
            said = "temporary failure"
        daemon = "pipe[6]" if step.kind == PIPE else "smtp[7]"
        self.write(
            now,
            host,
            daemon,
            f"{queue_id}: to=<{to}>, relay={relay}, delay={delay / 1000}, "
            f"delays={delay / 1000}/0/0/{takes / 1000}, dsn=2.0.0, status={word} ({said})",
        )


@settings(max_examples=30, deadline=None)
@given(st.lists(mails, min_size=1, max_size=8))
def test_each_message_counts_once_over_any_chain(given_mails):
    writer = Writer()
    for number, mail in enumerate(given_mails):
        writer.mail(number, mail)
    connector = PostfixConnector(SITE)
    events = [event for *_, line in sorted(writer.lines) for event in connector.feed(line.encode())]
    events += connector.flush()
    found = {}
    for event in events:
        if event["type"] in ("message.dispatched", "message.delivered"):
            assert event["recipient"] not in found, "once"
            took = datetime.fromisoformat(event["time"]) - datetime.fromisoformat(
                event["accepted_at"]
            )
            found[event["recipient"]] = (
                event["message_id"].partition("-")[0],
                took // timedelta(milliseconds=1),
            )
    assert found == writer.truth
    assert not connector.misunderstood
