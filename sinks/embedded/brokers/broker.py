"""The broker of the embedded stack: one interface, Tansu by default, Apache Kafka where asked.

=============== =========================== ==================================
                Tansu (``tansu``)           Apache Kafka (``kafka``)
=============== =========================== ==================================
needs           nothing but the wheel       Java 17 and, once, Maven
storage         memory: gone when stopped   ``DATA/kafka``: reusable
transactions    not from aiokafka           yes
timestamps      the producer's, always      LogAppendTime where configured
topic settings  accepted and forgotten      kept and applied
=============== =========================== ==================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from mailsla.sinks.embedded.brokers.apache_kafka import ApacheKafka
from mailsla.sinks.embedded.brokers.tansu import Tansu
from mailsla.sinks.embedded.ports import LOOPBACK, accepts

BrokerKind = Literal["tansu", "kafka"]


class Broker(Protocol):
    """How to run one broker on loopback."""

    name: str
    """Human name, for messages."""
    ready_within_s: float

    def prepare(self, data: Path, port: int) -> Sequence[str]:
        """Make everything ready to listen on ``port``; the command line to start.

        Raises `StackError` with the remedy when something is missing.
        """

    def environment(self) -> Mapping[str, str]:
        """Variables the process needs besides the supervisor's own."""


def make_broker(kind: BrokerKind) -> Broker:
    """The broker of that kind, not yet prepared."""
    return Tansu() if kind == "tansu" else ApacheKafka()


def is_broker_ready(port: int) -> bool:
    """Whether a broker on loopback ``port`` answers metadata and counts itself in."""
    if not accepts(port):
        return False
    try:
        admin = KafkaAdminClient(bootstrap_servers=f"{LOOPBACK}:{port}", request_timeout_ms=5_000)
    except KafkaError:
        return False
    try:
        return bool(admin.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        admin.close()
