"""Topics: created as the interface says, verified where the broker can tell."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from mailsla.schemas.topics import ALL_TOPICS, Topic
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.runtime.kafka.identity import TopicIdentity, identities
from mailsla.streams.runtime.kafka.probe import late_trouble, probe
from mailsla.streams.settings import ConfigurationError, Settings

_TIMEOUT_MS: Final = 15_000
_BOOTSTRAP_MS: Final = 5_000


class TopicError(Exception):
    """A topic is not as the interface needs it; the message says what to do."""


@dataclass(frozen=True)
class TopicReport:
    """What was done about one topic."""

    name: str
    created: bool
    partitions: int


@contextmanager
def administration(settings: Settings) -> Iterator[KafkaAdminClient]:
    """An administration client.

    Raises:
        ConfigurationError: no broker answers at the configured address, or it refuses us.
    """
    if trouble := probe(settings):
        raise ConfigurationError(trouble.sentence)
    try:
        client = KafkaAdminClient(
            **client_options(settings),
            request_timeout_ms=_TIMEOUT_MS,
            bootstrap_timeout_ms=_BOOTSTRAP_MS,
        )
    except KafkaError:
        raise ConfigurationError(late_trouble(settings)) from None
    try:
        yield client
    finally:
        client.close()


def ensure_topics(settings: Settings, topics: Sequence[Topic] = ALL_TOPICS) -> list[TopicReport]:
    """Create missing topics and verify the others; idempotent.

    Raises:
        TopicError: an existing topic has another number of partitions than its fellows.
    """
    with administration(settings) as admin:
        existing = set(admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if missing:
            _create(admin, missing, settings)
        found = identities(admin, [topic.name for topic in topics])
        counts = {name: topic.partitions for name, topic in found.items()}
        _verify_configs(admin, [topic for topic in topics if topic not in missing])
    expected = counts[topics[0].name]
    for name, count in counts.items():
        if count != expected:
            raise TopicError(
                f"topic {name} has {count} partitions, {topics[0].name} has {expected}; "
                "all must have the same number: delete and create it again, or add partitions"
            )
    created = {topic.name for topic in missing}
    return [TopicReport(name, name in created, count) for name, count in counts.items()]


def topic_identities(settings: Settings, names: Collection[str]) -> Mapping[str, TopicIdentity]:
    """What the topics of some names are now.

    Raises:
        KafkaConnectionError: the broker does not answer.

    """
    try:
        with administration(settings) as admin:
            return identities(admin, names)
    except (KafkaError, ConfigurationError) as error:
        raise KafkaConnectionError(f"the broker does not tell its topics: {error}") from None


def _create(admin: KafkaAdminClient, topics: Sequence[Topic], settings: Settings) -> None:
    wanted: dict[str, Any] = {
        topic.name: {
            "num_partitions": settings.partitions,
            "replication_factor": settings.replication,
            "configs": topic.config(),
        }
        for topic in topics
    }
    try:
        admin.create_topics(wanted, timeout_ms=_TIMEOUT_MS)
    except TopicAlreadyExistsError:
        pass  # another worker was quicker
    except KafkaError as error:
        raise TopicError(
            f"the broker refused to create topics ({error}); "
            "check MAILSLA_REPLICATION against the number of brokers, and the user's rights"
        ) from None
    admin.wait_for_topics(list(wanted))


def _verify_configs(admin: KafkaAdminClient, topics: Sequence[Topic]) -> None:
    """Bring clean-up, retention and time stamps of existing topics to what they should be."""
    for topic in topics:
        found = config_of(admin, topic)
        wanted = {key: wanted for key, (actual, wanted) in found.items() if actual != wanted}
        if wanted:
            admin.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=wanted)]
            )


def config_of(admin: KafkaAdminClient, topic: Topic) -> dict[str, tuple[str, str]]:
    """Setting → (what it is, what the interface wants), as far as the broker can tell."""
    resource = ConfigResource(ConfigResourceType.TOPIC, topic.name)
    try:
        found = admin.describe_configs([resource], config_filter="all")
    except (KafkaError, ValueError, AttributeError):
        return {}
    values: dict[str, Any] = next(iter(next(iter(found.values()), {}).values()), {})
    return {
        key: (_value(values[key]), wanted)
        for key, wanted in topic.config().items()
        if key in values
    }


def _value(entry: Any) -> str:
    return str(entry.get("value") if isinstance(entry, dict) else entry)
