"""Publishing a handful of records from a terminal: sent, acknowledged, or one sentence why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.runtime.kafka.probe import probe
from mailsla.streams.settings import ConfigurationError, Settings

_CONNECT_MS: Final = 10_000
_METADATA_MS: Final = 15_000
_ACKNOWLEDGED_S: Final = 30.0


@dataclass(frozen=True)
class Record:
    """One record: where it goes, its key (the tenant, which decides the partition), its bytes."""

    topic: str
    key: bytes
    value: bytes


def publish(settings: Settings, records: Sequence[Record]) -> None:
    """Publish records in order; returns when every replica in sync has all of them.

    Publishing the same records again is harmless: events are known by (``source``, ``id``),
    contract documents by tenant and version.

    Raises:
        ConfigurationError: no broker answers.
        CommandError: the broker did not acknowledge every record.

    """
    if not records:
        return
    producer = _producer(settings)
    acknowledged = 0
    try:
        pending = [producer.send(each.topic, key=each.key, value=each.value) for each in records]
        for future in pending:
            future.get(timeout=_ACKNOWLEDGED_S)
            acknowledged += 1
    except KafkaTimeoutError:
        raise CommandError(
            f"{acknowledged} of {len(records)} records were acknowledged in time by the broker at "
            f"{settings.kafka}; do the topics exist? run mailsla topics, then the command again"
        ) from None
    except KafkaError as error:
        raise CommandError(
            f"the broker refused a record ({type(error).__name__}), {acknowledged} of "
            f"{len(records)} were acknowledged; see mailsla doctor, then run the command again"
        ) from None
    finally:
        producer.close(timeout=_ACKNOWLEDGED_S)


def _producer(settings: Settings) -> KafkaProducer:
    if trouble := probe(settings):
        raise ConfigurationError(trouble.sentence)
    try:
        return KafkaProducer(
            **client_options(settings),
            acks="all",
            bootstrap_timeout_ms=_CONNECT_MS,
            max_block_ms=_METADATA_MS,
            allow_auto_create_topics=False,
        )
    except KafkaError as error:
        raise ConfigurationError(
            f"no Kafka broker answers at {settings.kafka} ({type(error).__name__}); "
            "start one with: mailsla up, or set MAILSLA_KAFKA"
        ) from None
