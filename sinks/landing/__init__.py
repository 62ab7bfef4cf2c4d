"""Kafka records → rows in ClickHouse: every accepted event a fact, every result its row."""

from sinks.landing.batch import LandingBatch
from sinks.landing.delivery import LandingDelivery
from sinks.landing.faults import LandingError
from sinks.landing.landing import LANDED_TOPICS, Landing
from sinks.landing.metrics import LandingMetrics
from sinks.landing.retry import RetryPolicy

__all__ = [
    "LANDED_TOPICS",
    "Landing",
    "LandingBatch",
    "LandingDelivery",
    "LandingError",
    "LandingMetrics",
    "RetryPolicy",
]
