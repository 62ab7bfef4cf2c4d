"""Kafka records → rows in ClickHouse: every accepted event a fact, every result its row."""

from mailsla.sinks.landing.batch import LandingBatch
from mailsla.sinks.landing.delivery import LandingDelivery
from mailsla.sinks.landing.faults import LandingError
from mailsla.sinks.landing.landing import LANDED_TOPICS, Landing
from mailsla.sinks.landing.metrics import LandingMetrics
from mailsla.sinks.landing.retry import RetryPolicy

__all__ = [
    "LANDED_TOPICS",
    "Landing",
    "LandingBatch",
    "LandingDelivery",
    "LandingError",
    "LandingMetrics",
    "RetryPolicy",
]
