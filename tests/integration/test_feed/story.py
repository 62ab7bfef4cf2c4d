"""A small story of last month: promises broken in every way that has its own kind of evidence."""

import itertools
from datetime import UTC, datetime, timedelta

import orjson

MONTH = (datetime.now(UTC).replace(day=1) - timedelta(days=3)).replace(
    day=1, hour=0, minute=0, second=0, microsecond=0
)
_BEGUN = MONTH + timedelta(days=9, hours=2)
_OUTAGE = timedelta(minutes=50)
_numbers = itertools.count()

EXPECTED = {
    ("acme", "latency.exceedances"): "breached",
    ("bluebird", "connectivity.downtime"): "withdrawn",
    ("bluebird", "connectivity.ratio"): "withdrawn",
    ("cedar", "antivirus.unscanned"): "breached",
    ("dahlia", "support.availability"): "breached",
    ("elm", "backup.incremental"): "breached",
}
"""(tenant, indicator) → what the feed says of it last."""


def event(topic, type_, tenant, time, **fields):
    """An event as a record to publish."""
    document = {
        "id": f"e-{next(_numbers)}",
        "source": "story/1",
        "type": type_,
        "tenant_id": tenant,
        "time": time,
        **fields,
    }
    return topic, tenant.encode(), orjson.dumps(document)


def late_message(tenant, time):
    """A message that was more than an hour under way."""
    return event(
        "mail.mta",
        "message.dispatched",
        tenant,
        time,
        message_id=f"m-{next(_numbers)}",
        direction="outbound",
        recipient="user@example.org",
        accepted_at=time - timedelta(seconds=3700),
    )


def story():
    """Records to publish one part after the other, each processed before the next."""
    yield [
        late_message("acme", _BEGUN),
        late_message("acme", _BEGUN + timedelta(seconds=1)),
        *_outage("bluebird"),
        _scan("cedar"),
        event("mail.support", "channel.down", "dahlia", _BEGUN, channel="phone"),
        event("mail.support", "channel.up", "dahlia", _BEGUN + _OUTAGE, channel="phone"),
        _backup("elm", MONTH + timedelta(days=1)),
        _backup("elm", _BEGUN),
        ("mail.ops", b"acme", b"no JSON"),
    ]
    yield [
        event(
            "mail.ops",
            "exclusion.declared",
            "bluebird",
            _BEGUN + 2 * _OUTAGE,
            exclusion_id="found-out-later",
            code="carrier",
            starts_at=_BEGUN,
            ends_at=_BEGUN + _OUTAGE,
        ),
        # Event time goes on, so that word of the past has settled.
        event(
            "mail.ops",
            "monitor.heartbeat",
            "bluebird",
            _BEGUN + 2 * _OUTAGE + timedelta(minutes=1),
            monitor="story",
            interval_s=60,
        ),
    ]


def _outage(tenant):
    """Probes every five minutes that fail for longer than the month allows."""
    step, times = timedelta(minutes=5), int(_OUTAGE / timedelta(minutes=5))
    for number in range(times + 1):
        yield event(
            "mail.probe",
            "probe.result",
            tenant,
            _BEGUN + number * step,
            probe="submit",
            channel="submission",
            capability="send",
            scope="external",
            ok=number == times,
            interval_s=300,
        )


def _scan(tenant):
    return event(
        "mail.antivirus",
        "message.scanned",
        tenant,
        _BEGUN,
        message_id="m-unscanned",
        mailbox="box@example.cn",
        verdict="skipped",
        action="none",
        policy="clean",
    )


def _backup(tenant, time):
    return event(
        "mail.backup",
        "backup.completed",
        tenant,
        time,
        backup_id=f"b-{next(_numbers)}",
        kind="full",
        started_at=time - timedelta(minutes=5),
    )
