"""A real mail log, shipped, drained and closed by the commands, against what was really seen."""

import json
from collections import Counter

import pytest
from cli_stack import running_stack

from mailsla.sinks.clickhouse import connect
from tests.unit.postfix_corpus import (
    LONG_ID_LOG,
    raw_lines,
    read_truth,
    to_second_resolution,
)

TENANTS = {"tenant-a.test": "tenant-a", "tenant-b.test": "tenant-b"}
FACTS = """
SELECT splitByChar('-', message_id)[1], recipient, direction, tenant_id,
       toUnixTimestamp64Micro(accepted_at), toUnixTimestamp64Micro(time)
FROM mta_events FINAL
WHERE type = 'message.delivered' OR (type = 'message.dispatched' AND attempt = 1)
"""


@pytest.fixture(scope="module", params=["microseconds", "seconds"])
def shipped(request, tmp_path_factory):
    """The stack after shipping, draining and closing, and the tolerance of the stamps."""
    folder = tmp_path_factory.mktemp("ship")
    log, tenants = folder / "mail.log", folder / "tenants.json"
    lines = raw_lines(LONG_ID_LOG)
    if request.param == "seconds":
        lines = [to_second_resolution(line) for line in lines]
    log.write_bytes(b"".join(lines))
    tenants.write_text(json.dumps(TENANTS))
    zone = ("--year", "2026", "--zone", "UTC") if request.param == "seconds" else ()
    with running_stack(folder) as stack:
        stack.run("ship", "postfix", str(log), "--domain-tenant", str(tenants), *zone)
        stack.run("drain", "--timeout", "120")
        stack.run("close", "2026-11", "--force")
        client = connect(stack.clickhouse())
        yield stack, client, 0.25 if request.param == "microseconds" else 1.1


def starts():
    """(message id, recipient) → when the destination saw the first attempt."""
    found = {}
    for seen in read_truth("truth_sink.jsonl"):
        for recipient in seen["rcpt"]:
            found.setdefault((seen["msgid"], recipient), seen["t_accept"])
    return found


def test_every_message_is_one_fact_with_the_latency_that_was_seen(shipped):
    _, client, tolerance = shipped
    facts = {(queue, recipient): row for queue, recipient, *row in client.query(FACTS).result_rows}
    sent, started = read_truth("truth_send.jsonl"), starts()
    expected = {(m["reply"].split()[-1], r): m for m in sent for r in m["rcpt"]}
    assert facts.keys() == expected.keys()
    compared = Counter()
    for (queue, recipient), message in expected.items():
        direction, _, accepted, finished = facts[queue, recipient]
        assert abs(accepted / 1e6 - message["t_dot"]) <= tolerance
        begun = started.get((message["msgid"], recipient))
        if direction == "outbound" and begun is not None and message["kind"] != "out_deferred":
            measured, true = (finished - accepted) / 1e6, begun - message["t_dot"]
            assert abs(measured - true) <= tolerance, message["kind"]
            compared[message["kind"]] += 1
    assert set(compared) >= {"out", "out_trickle", "out_filter", "multi"}


def test_a_deferred_message_counts_once_at_its_first_attempt(shipped):
    _, client, tolerance = shipped
    facts = {(queue, recipient): row for queue, recipient, *row in client.query(FACTS).result_rows}
    deferred = [m for m in read_truth("truth_send.jsonl") if m["kind"] == "out_deferred"]
    assert deferred
    for message in deferred:
        for recipient in message["rcpt"]:
            _, _, accepted, finished = facts[message["reply"].split()[-1], recipient]
            assert (finished - accepted) / 1e6 <= 5 + tolerance


def test_the_closing_says_what_the_facts_say(shipped):
    stack, client, _ = shipped
    closings = {c["tenant_id"]: c for c in stack.json("close", "2026-11", "--force")}
    assert closings.keys() == set(TENANTS.values())
    totals = {}
    for _, _, direction, tenant, accepted, finished in client.query(FACTS).result_rows:
        sums = totals.setdefault((tenant, direction), [])
        sums.append(finished - accepted)
    for tenant, closing in closings.items():
        items = {item["indicator"]: item for item in closing["items"]}
        for name, direction in (("send", "outbound"), ("receive", "inbound")):
            latencies = totals[tenant, direction]
            mean = sum(latencies) / len(latencies) / 1e6
            assert items[f"latency.{name}.mean"]["observed"] == pytest.approx(mean, abs=1e-6)
            assert items[f"latency.{name}.mean"]["evidence_count"] == len(latencies)
        assert closing["verdict"] in {"incomplete", "breached"}
