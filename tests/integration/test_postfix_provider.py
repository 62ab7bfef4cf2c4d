"""Real Postfix instances as a provider has them: every message once, within a quarter second.

What is right is noted by the client and the destinations. On a busy machine Postfix may notice an
answer later than they do, which no log can tell: so one figure in ten may be further off.
"""

import os
import smtplib
import time
from email.message import EmailMessage

import pytest

from mailsla.streams.connectors.postfix import OwnRelays, PostfixConnector, Site, TenantMap
from tests.integration.postfix_provider import provider
from tests.stack import needs_program, wait_for
from tests.unit.postfix_corpus import latency, seconds

ROUNDS = 8
TOLERANCE_S = 0.25
BUSY_S = 1.5
WITHIN = 0.9
"""Share of the messages that must be within the tolerance."""
TENANTS = ("tenant-a.test", "tenant-b.test")


def send(port, number, sender, recipient):
    """Send one message; when the answer to its end had come."""
    message = EmailMessage()
    message["Message-ID"] = f"<{number}@{sender.partition('@')[2]}>"
    message["From"], message["To"] = sender, recipient
    message.set_content("hello")
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(message)
        taken = time.time()
    return message["Message-ID"], (recipient, taken)


@pytest.mark.timeout(120)
def test_every_message_of_a_real_provider_is_told_once_and_in_time():
    needs_program("postfix")
    if os.geteuid() and not os.environ.get("CI"):
        pytest.skip("Postfix's master has to be started by root")
    with provider() as made:
        inbound, outbound = {}, {}
        for number in range(ROUNDS):
            tenant = TENANTS[number % 2]
            for place, mx in enumerate(made.mxs):
                to = f"box{number}-{place}@{tenant}"
                told = send(mx.port, f"in-{number}-{place}", f"x{number}@far.test", to)
                inbound.update([told])
            told = send(made.out.port, f"out-{number}", f"li@{tenant}", f"y{number}@far.test")
            outbound.update([told])
        wait_for(lambda: len(made.delivered()) == len(inbound), 30, "every mailbox delivery")
        wait_for(lambda: len(made.destination.began) == len(outbound), 30, "every send")
        delivered, began = made.delivered(), dict(made.destination.began)
        own = [f"127.0.0.1:{each.port}" for each in (made.filter, made.store)]
    lines = made.log()

    domains = {domain: domain.removesuffix(".test") for domain in TENANTS}
    connector = PostfixConnector(Site(TenantMap(domains), OwnRelays(own)))
    events = [event for line in lines for event in connector.feed(line)] + connector.flush()
    assert not connector.misunderstood, connector.misunderstood
    finished = [e for e in events if e["type"] in ("message.delivered", "message.dispatched")]
    assert len(finished) == len(inbound) + len(outbound)
    truth = [(*inbound[name], delivered[name], "inbound") for name in inbound]
    truth += [(*outbound[name], began[name], "outbound") for name in outbound]
    off = []
    for recipient, taken, ended, direction in truth:
        (event,) = (
            each
            for each in finished
            if (each["recipient"], each["direction"]) == (recipient, direction)
        )
        off.append(abs(seconds(event["accepted_at"]) - taken))
        off.append(abs(latency(event) - (ended - taken)))
        assert max(off[-2:]) < BUSY_S, (event, taken, ended)
    assert sum(each < TOLERANCE_S for each in off) >= WITHIN * len(off), sorted(off)
