"""Lands histories as the sinks worker does, at a landing time of choice, and closes them."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import count

import numpy as np
import pyarrow as pa

from mailsla.schemas.codec.columns import UTC_MICROS
from mailsla.sinks.closing.plan.contract_segments import micros
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.landing.batch import blocks
from mailsla.sinks.landing.facts import decode_facts
from mailsla.sinks.landing.insert import insert_block
from mailsla.sinks.landing.results import decode_results
from tests.integration.landing_server import Batch
from tests.reference.log import TOPIC_OF
from tests.reference.values import Finding, Judged, Part

BROKER_US = micros(datetime(2100, 1, 1, tzinfo=UTC))
"""The broker clock at the landing: after every event, whatever its month."""
_offsets = count(step=1000)


def land(client, events, landed_at, first_offset=0):
    """Insert wire events in log order; all land at once."""
    by_topic = {}
    for offset, event in enumerate(events, start=first_offset):
        by_topic.setdefault(TOPIC_OF[event["type"]], []).append(
            (offset, json.dumps(event).encode())
        )
    for topic, records in by_topic.items():
        offsets = np.array([offset for offset, _ in records], dtype=np.int64)
        values = [value for _, value in records]
        rows = decode_facts(topic, 0, offsets, values, np.full(len(values), BROKER_US))
        assert not rows.rejected
        landing = pa.array([landed_at] * rows.rows.num_rows, UTC_MICROS)
        client.insert_arrow(rows.table, rows.rows.append_column("landed_at", landing))


def publish(client, topic, *documents):
    """Land documents of a compacted topic as the sinks do."""
    number = next(_offsets)
    batch = Batch(topic, [json.dumps(each).encode() for each in documents], first_offset=number)
    rows = decode_results(batch)
    assert not rows.rejected
    for block in blocks([rows]):
        insert_block(client, block)


def close_history(client, history, **options):
    """Land a random history in two batches and judge its month."""
    if history.calendars:
        publish(client, "sla.calendars", *history.calendars)
    half = len(history.events) // 2
    landing = history.cutoff - timedelta(seconds=2)
    land(client, history.events[:half], landing)
    land(client, history.events[half:], landing + timedelta(seconds=1), half)
    return close_month(
        client, history.first_day, contracts=history.contracts, now=history.cutoff, **options
    )


def findings(closings):
    """(tenant_id, indicator) → (observed, raw, excluded, verdict)."""
    return {key: judged.finding for key, judged in judgements(closings).items()}


def judgements(closings):
    """(tenant_id, indicator) → the finding as it was closed, with remedy and parts."""
    return {
        (item.tenant_id, item.indicator): Judged(
            Finding(item.observed, item.raw, item.excluded, item.verdict),
            item.remedy,
            tuple(Part(*(value for _, value in each)) for each in item.parts),
        )
        for closing in closings
        for item in closing.items
    }


def close(client, events, month=date(2025, 10, 1), *, now, contracts=(), **options):
    """Land hand-made events just before ``now`` and close the month."""
    land(client, events, now - timedelta(seconds=1))
    return close_month(client, month, contracts=list(contracts), now=now, **options)
