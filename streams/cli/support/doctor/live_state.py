"""Whether the topics are those that the live worker's state is derived from."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from mailsla.streams.cli.support.doctor.finding import Finding
from mailsla.streams.live.checkpoint.former import is_former
from mailsla.streams.live.checkpoint.same_topics import remember_topics
from mailsla.streams.runtime.checkpoint.recovery import read_last
from mailsla.streams.runtime.checkpoint.state_log import HEAD, StateError, read_head
from mailsla.streams.runtime.kafka.identity import TopicIdentity
from mailsla.streams.settings import Settings

_CHECK: Final = "live state"


def live_state_finding(settings: Settings, topics: Mapping[str, TopicIdentity]) -> Finding:
    """Compare the topics with those that the newest checkpoint of each task remembers.

    Args:
        settings: where the broker is.
        topics: what the topics are now, as many partitions each; those that the live worker reads
            are among them.

    """
    try:
        partitions = max(topic.partitions for topic in topics.values())
        return remembered_finding(asyncio.run(_heads(settings, partitions)), topics)
    except StateError as error:
        return Finding(_CHECK, "wrong", str(error))


def remembered_finding(heads: Iterable[bytes], topics: Mapping[str, TopicIdentity]) -> Finding:
    """The finding about the head records of some tasks; `StateError` says what is wrong."""
    for value in heads:
        # What release 0.1.0 wrote knows no topics, and is carried over.
        if not is_former({HEAD: value}):
            remember_topics(read_head(value), topics)
    return Finding(_CHECK, "ok", "the topics are those that the live worker's state is made of")


async def _heads(settings: Settings, partitions: int) -> list[bytes]:
    found = [await read_last(settings, partition, HEAD) for partition in range(partitions)]
    return [value for value in found if value is not None]
