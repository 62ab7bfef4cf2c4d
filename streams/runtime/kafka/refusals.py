"""Which topic keeps a worker from writing, and what to do about it.

A producer with a transactional id tries for ever to write to a topic that is not there or has too
few replicas, without a word; and what a topic refuses it cannot send again, because the broker
counts its records. So whoever writes looks at the topics when it takes long, and begins anew after
a refusal, once the topic takes a record of that size.
"""

import os
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka import errors as aio_errors
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError

from mailsla.streams.runtime.kafka.admin import administration
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.settings import ConfigurationError, Settings

_REFUSALS: Final = (
    aio_errors.InvalidTimestampError,
    aio_errors.InvalidTopicError,
    aio_errors.MessageSizeTooLargeError,
    aio_errors.PolicyViolationError,
    aio_errors.RecordListTooLargeError,
    aio_errors.UnsupportedForMessageFormatError,
)
"""What a topic answers that will have no such record, until somebody acts."""
_TOO_LARGE: Final = (aio_errors.MessageSizeTooLargeError, aio_errors.RecordListTooLargeError)
_VARIABLE: Final = "MAILSLA_REFUSED"
_PROBE_S: Final = 20


@dataclass(frozen=True)
class TopicRefusal:
    """A topic that refused a batch of so many bytes, and why; what to do stands in ``sentence``."""

    topic: str
    size: int
    sentence: str


class TopicRefused(aio_errors.KafkaError):  # type: ignore[misc]  # an untyped base
    """A topic refuses what a worker writes."""

    def __init__(self, refusal: TopicRefusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal


def refused(topic: str, size: int, error: BaseException | None) -> TopicRefused | None:
    """What to raise where a topic answered a batch of so many bytes with an error that lasts."""
    if not isinstance(error, _REFUSALS):
        return None
    what = f"topic {topic} refuses {size} bytes ({error.message})"
    name = "max.message.bytes" if isinstance(error, _TOO_LARGE) else "settings"
    return TopicRefused(TopicRefusal(topic, size, f"{what}; mend its {name} at the broker"))


def hand_on(refusal: TopicRefusal) -> None:
    """Leave a refusal to the process that takes this one's place."""
    os.environ[_VARIABLE] = orjson.dumps(refusal).decode()


def inherited() -> TopicRefusal | None:
    """The refusal that the process before this one left; it is taken once."""
    text = os.environ.pop(_VARIABLE, None)
    return None if text is None else TopicRefusal(**orjson.loads(text))


def missing_topics(settings: Settings, names: Collection[str]) -> str | None:
    """What to do about those of some topics that do not exist; None where all of them do.

    Raises:
        ConfigurationError: the broker cannot be asked.

    """
    with _asked(settings) as admin:
        return _missing(settings, admin, names)


def obstacle(settings: Settings, names: Collection[str]) -> str | None:
    """Why nothing can be written to one of some topics, and what to do; None if nothing is seen.

    Raises:
        ConfigurationError: the broker cannot be asked.

    """
    with _asked(settings) as admin:
        return _missing(settings, admin, names) or _few_replicas(admin, names)


@contextmanager
def _asked(settings: Settings) -> Iterator[KafkaAdminClient]:
    with administration(settings) as admin:
        try:
            yield admin
        except KafkaError as error:
            raise ConfigurationError(f"Kafka does not tell of its topics: {error}") from None


def _missing(settings: Settings, admin: KafkaAdminClient, names: Collection[str]) -> str | None:
    missing = sorted(set(names) - set(admin.list_topics()))
    if not missing:
        return None
    return (
        f"Kafka at {settings.kafka} has no topic {', '.join(missing)}, or hides it from this "
        "user; run mailsla topics, or grant the rights that deploy/kafka/acls.sh lists"
    )


def _few_replicas(admin: KafkaAdminClient, names: Collection[str]) -> str | None:
    if not names:
        return None
    wanted = _in_sync_wanted(admin, names)
    for topic in admin.describe_topics(sorted(names)):
        for place in topic["partitions"]:
            in_sync, least = len(place["isr_nodes"]), wanted.get(topic["name"], 1)
            if place["leader_id"] < 0 or in_sync < least:
                return (
                    f"partition {place['partition_index']} of topic {topic['name']} has {in_sync} "
                    f"replicas in sync of {least} wanted; start the brokers that are missing"
                )
    return None


def _in_sync_wanted(admin: KafkaAdminClient, names: Collection[str]) -> dict[str, int]:
    """Topic → its ``min.insync.replicas``, where the broker tells it."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(names)]
    found: dict[str, Any] = next(iter(admin.describe_configs(asked, config_filter="all").values()))
    values = {name: config.get("min.insync.replicas") for name, config in found.items()}
    return {
        name: int(value["value"] if isinstance(value, dict) else value)
        for name, value in values.items()
        if value is not None
    }


async def takes_again(
    settings: Settings, refusal: TopicRefusal, prefix: str
) -> TopicRefusal | None:
    """Try a record of the size that was refused, in a transaction that is given up.

    Args:
        settings: broker and login.
        refusal: what is to be tried again.
        prefix: how the worker's transactional ids begin.

    Returns:
        What the topic answers now; None where it took the record, which no reader gets to see.

    Raises:
        KafkaError: something else is wrong.

    """
    producer = AIOKafkaProducer(
        **client_options(settings),
        transactional_id=f"{prefix}-probe-{socket.gethostname()}-{os.getpid()}",
        max_request_size=2 * refusal.size + 1_048_576,
        max_batch_size=refusal.size + 1_024,
        request_timeout_ms=1_000 * _PROBE_S,
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        sent = await producer.send(refusal.topic, bytes(refusal.size), b"probe")
        try:
            await sent
        except aio_errors.KafkaError as error:
            if again := refused(refusal.topic, refusal.size, error):
                return again.refusal
            raise
        finally:
            await producer.abort_transaction()
    finally:
        await producer.stop()
    return None
