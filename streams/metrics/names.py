"""Every metric, by one name; a worker sets those that concern it.

Labels are topics, tables, stages, indicators and routes: all of them few and known beforehand (of
lines that were not understood, the hundred kinds most often met). A tenant is none of them. Names
follow Prometheus: base units, ``_total`` on counters (added by the client),
``_timestamp_seconds`` on instants.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY: Final = CollectorRegistry()
"""What ``/metrics`` shows: all of this module, memory and garbage of the process."""

_STAGE_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)

# Records of an input topic that a worker has applied (live) or taken for landing (sinks).
RECORDS: Final = Counter("mailsla_records", "Records applied", ["topic"], registry=REGISTRY)

# How often it took some together; records by batches is the mean size of a batch.
BATCHES: Final = Counter("mailsla_batches", "Batches applied", ["topic"], registry=REGISTRY)

# Where the time goes: apply (a batch in all), decode, evaluate, publish, checkpoint, land.
STAGE_SECONDS: Final = Histogram(
    "mailsla_stage_seconds",
    "Time that one pass of a stage takes",
    ["stage"],
    buckets=_STAGE_BUCKETS,
    registry=REGISTRY,
)

# Records at the broker that this worker has still to fetch, over its partitions of the topic.
LAG_RECORDS: Final = Gauge(
    "mailsla_lag_records", "Records that wait at the broker", ["topic"], registry=REGISTRY
)

# Event time up to which a topic is known, the least over this worker's tasks.
WATERMARK: Final = Gauge(
    "mailsla_watermark_timestamp_seconds",
    "Event time up to which a topic is known",
    ["topic"],
    registry=REGISTRY,
)

# Partitions of any topic that this worker has now.
PARTITIONS: Final = Gauge("mailsla_partitions", "Partitions assigned", registry=REGISTRY)

# The longest time in the last minute for which nothing else could run.
LOOP_HELD: Final = Gauge(
    "mailsla_loop_held_seconds", "Longest hold of the event loop in the last minute",
    registry=REGISTRY,
)  # fmt: skip

# From the first byte to the acknowledgement of everything in it.
CHECKPOINT_SECONDS: Final = Histogram(
    "mailsla_checkpoint_seconds", "Time that a checkpoint takes", buckets=_STAGE_BUCKETS,
    registry=REGISTRY,
)  # fmt: skip

# Its age, `time() - this`, is what a crash now would have done again.
LAST_CHECKPOINT: Final = Gauge(
    "mailsla_last_checkpoint_timestamp_seconds", "When the last checkpoint became durable",
    registry=REGISTRY,
)  # fmt: skip

# Events that came after the allowed lateness; they count, and correct what was said.
LATE: Final = Counter("mailsla_late_events", "Late events", ["topic"], registry=REGISTRY)

# Of the sources of mail, those of which nothing has come for `MAILSLA_SOURCE_SILENCE_S`.
SILENT_SOURCES: Final = Gauge(
    "mailsla_silent_sources", "Sources of mail that have gone silent", registry=REGISTRY
)

# Since the worker began: cases whose deadline no calendar knows, which are not judged live.
UNKNOWN_DEADLINES: Final = Gauge(
    "mailsla_unknown_deadlines", "Cases left out for want of a calendar", registry=REGISTRY
)

# Tenants that no contract names, of this worker's tasks; for more than so many there is no room.
UNKNOWN_TENANTS: Final = Gauge(
    "mailsla_unknown_tenants", "Tenants without a contract", registry=REGISTRY
)

# Events of further ones, which went to the dead letters.
HELD_BACK: Final = Counter(
    "mailsla_quarantined_events", "Events of unknown tenants held back", ["topic"],
    registry=REGISTRY,
)  # fmt: skip

# Tenants with more events of a day, mail too, than `MAILSLA_TENANT_EVENTS`; they all land.
TENANTS_OVER_QUOTA: Final = Gauge(
    "mailsla_tenants_over_quota", "Tenants that send more than their quota", registry=REGISTRY
)

# Lines of mail logs that no connector of this worker understood, by kind: `smtp: status=odd`.
MISUNDERSTOOD: Final = Gauge(
    "mailsla_misunderstood_lines", "Mail-log lines not understood", ["kind"], registry=REGISTRY
)

# Lines of `raw.maillog` beyond 8 KiB, of which the rest was not read.
CUT_LINES: Final = Gauge("mailsla_cut_lines", "Mail-log lines cut", registry=REGISTRY)

# Events that came again under their (source, id) with the same content.
DUPLICATES: Final = Counter(
    "mailsla_duplicate_events", "Repeated events", ["topic"], registry=REGISTRY
)

# Events that came again with other content; they never count.
CONFLICTS: Final = Counter(
    "mailsla_conflicting_events", "Repeated events with other content", ["topic"], registry=REGISTRY
)

# Records that went to the dead letters. ``reason`` is the field that was wrong, or "record".
REFUSED: Final = Counter(
    "mailsla_refused_records", "Dead letters", ["topic", "reason"], registry=REGISTRY
)

# Records with another key than their tenant's, or in another partition than its own.
MISPLACED: Final = Counter(
    "mailsla_misplaced_records", "Records published once more, where they belong", ["topic"],
    registry=REGISTRY,
)  # fmt: skip

# Events of the breach feed that say breached.
BREACHES: Final = Counter("mailsla_breaches", "Breaches", ["indicator"], registry=REGISTRY)

# Indicators of all tenants of this worker by state.
STATES: Final = Gauge("mailsla_indicators", "Indicators in a state", ["state"], registry=REGISTRY)

# From the assignment until the state is read back.
RECOVERY_SECONDS: Final = Gauge(
    "mailsla_recovery_seconds", "Time that the last recovery took", registry=REGISTRY
)

# Notifications by what became of them: sent, failed (tried again), dropped (given up), grouped.
NOTIFICATIONS: Final = Counter(
    "mailsla_notifications", "Notifications", ["route", "outcome"], registry=REGISTRY
)

# Notifications that wait for an endpoint to come back.
NOTIFICATIONS_WAITING: Final = Gauge(
    "mailsla_notifications_waiting", "Notifications not yet delivered", ["route"],
    registry=REGISTRY,
)  # fmt: skip

# From the event's publication to the receiver's answer.
NOTIFICATION_SECONDS: Final = Histogram(
    "mailsla_notification_seconds", "From the feed to the receiver", ["route"],
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0), registry=REGISTRY,
)  # fmt: skip

# Tenants' months that the closer has closed.
CLOSED_MONTHS: Final = Counter(
    "mailsla_closed_months", "Tenants' months closed by the closer", registry=REGISTRY
)

# Months that are due and not closed for everybody.
MONTHS_DUE: Final = Gauge("mailsla_months_due", "Months to be closed", registry=REGISTRY)

# Tenants that could not be closed with the others; the closer's log names them.
UNCLOSED_TENANTS: Final = Gauge(
    "mailsla_unclosed_tenants", "Tenants left out of months that are due", registry=REGISTRY
)

ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

LABELS: Final = frozenset(
    {"topic", "stage", "reason", "indicator", "state", "route", "outcome", "kind"}
)
"""Every label of these metrics; a tenant is none."""
