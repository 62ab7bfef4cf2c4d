"""What topics are: a topic deleted and made anew has the old name and another identity."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aiokafka.errors import KafkaConnectionError
from kafka.errors import KafkaError

from streams.runtime.kafka.admin import administration
from streams.settings import ConfigurationError, Settings


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """The id that the broker gave a topic when it was made, and how many partitions it has."""

    id: str
    partitions: int


def identities(settings: Settings, names: Collection[str]) -> Mapping[str, TopicIdentity]:
    """What the topics of some names are now.

    Raises:
        KafkaConnectionError: the broker does not answer.

    """
    try:
        with administration(settings) as admin:
            described = admin.describe_topics(sorted(names))
    except (KafkaError, ConfigurationError) as error:
        raise KafkaConnectionError(f"the broker does not tell its topics: {error}") from None
    return {
        str(one["name"]): TopicIdentity(str(one["topic_id"]), len(one["partitions"]))
        for one in described
    }
