"""The topics that the live worker reads and writes."""

from typing import Final

from mailsla.schemas.topics import (
    ASSEMBLER_STATE,
    BROADCAST,
    CALENDARS,
    CLOSINGS,
    CONTRACTS,
    EVENT_TOPICS,
    RAW_MAILLOG,
    RESULT_TOPICS,
    STREAMS_STATE,
)
from mailsla.streams.settings import Settings

INPUT: Final = tuple(topic.name for topic in EVENT_TOPICS)
"""The events; contracts and calendars come besides."""


def live_topics(settings: Settings) -> set[str]:
    """The topics that have to exist for the live worker."""
    maillog = () if settings.maillog_tenants is None else (RAW_MAILLOG, ASSEMBLER_STATE)
    results = (topic for topic in RESULT_TOPICS if topic is not CLOSINGS)
    others = (CONTRACTS, CALENDARS, STREAMS_STATE, BROADCAST, *maillog, *results)
    return {*INPUT, *(topic.name for topic in others)}
