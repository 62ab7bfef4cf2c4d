"""Whether the topics are those that a state was derived from."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from aiokafka.errors import KafkaConnectionError

from mailsla.streams.runtime.checkpoint.state_log import Head, StateError
from mailsla.streams.runtime.kafka.admin import topic_identities
from mailsla.streams.runtime.kafka.identity import TopicIdentity
from mailsla.streams.settings import Settings

_TOPICS: Final = "topics"
_PARTITIONS: Final = "partitions"
_ANEW: Final = (
    "stop the workers, delete mailsla.streams.state and the consumer group mailsla-streams, "
    "run mailsla topics, and publish again what is to count"
)


def common_partitions(topics: Mapping[str, TopicIdentity]) -> int:
    """How many partitions all of some topics have.

    Raises:
        StateError: one has another number than the others.

    """
    counts = {name: topic.partitions for name, topic in topics.items()}
    usual = min(counts.values())
    odd = [f"{name} has {count}" for name, count in sorted(counts.items()) if count != usual]
    if odd:
        raise StateError(
            f"{', '.join(odd)} partitions, other topics {usual}: a tenant would live in two of "
            "them; delete the topics with more and run mailsla topics"
        )
    return usual


def remember_topics(head: Head, topics: Mapping[str, TopicIdentity]) -> None:
    """Keep with a state which topics it is derived from, if they are those it was.

    Raises:
        StateError: a topic was deleted and made anew, or all have another number of partitions.

    """
    partitions = common_partitions(topics)
    before = head.extra.get(_PARTITIONS, partitions)
    if before != partitions:
        raise StateError(
            f"the topics had {before} partitions when the state of this task was written and have "
            f"{partitions} now: tenants would live in others than before; {_ANEW}"
        )
    known = _known(head)
    anew = sorted(name for name, topic in topics.items() if known.get(name, topic.id) != topic.id)
    if anew:
        raise StateError(
            f"{', '.join(anew)} was deleted and made anew since the state of this task was "
            f"written: its records would be taken for those of before; {_ANEW}"
        )
    head.extra[_PARTITIONS] = partitions
    head.extra[_TOPICS] = {name: topic.id for name, topic in sorted(topics.items())}


class SameTopics:
    """Ends a running worker whose topics are no longer those that its tasks go on from.

    It would take a topic made anew for the one before, and pass over as many of its records.
    """

    def __init__(self, settings: Settings, heads: Callable[[], Sequence[Head]]) -> None:
        self._settings, self._heads = settings, heads

    async def tick(self) -> None:
        """Look what the topics are; the broker may be away, or one missing, meanwhile.

        Raises:
            StateError: as `remember_topics`.

        """
        heads = self._heads()
        names = {str(name) for head in heads for name in _known(head)}
        with suppress(KafkaConnectionError):
            found = await asyncio.to_thread(topic_identities, self._settings, names)
            if names and all(topic.partitions for topic in found.values()):
                for head in heads:
                    remember_topics(head, found)


def _known(head: Head) -> Mapping[str, str]:
    """Name → id of the topics that a head remembers; none before the first checkpoint."""
    found = head.extra.get(_TOPICS)
    return found if isinstance(found, dict) else {}
