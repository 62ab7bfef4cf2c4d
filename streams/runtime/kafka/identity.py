"""What topics are: a topic deleted and made anew has the old name and another identity."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kafka.admin import KafkaAdminClient


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """The id that the broker gave a topic when it was made, and how many partitions it has."""

    id: str
    partitions: int


def identities(admin: KafkaAdminClient, names: Collection[str]) -> Mapping[str, TopicIdentity]:
    """What the topics of some names are now; one that is not there has no partitions."""
    described = {str(one["name"]): one for one in admin.describe_topics(list(names))}
    return {
        name: TopicIdentity(str(one["topic_id"]), len(one["partitions"]))
        if (one := described.get(name))
        else TopicIdentity("", 0)
        for name in names
    }
