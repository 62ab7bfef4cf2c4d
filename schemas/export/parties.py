"""Which part of mailsla sends to and receives from which topic."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from mailsla.schemas import topics
from mailsla.schemas.topics import Topic


@dataclass(frozen=True)
class Party:
    """A program: topic name → why it sends there or what it does with what it receives."""

    name: str
    receives: Mapping[str, str] = field(default_factory=dict)
    sends: Mapping[str, str] = field(default_factory=dict)

    def actions(self, topic: Topic) -> Iterator[str]:
        """``receive``, ``send`` or both, as AsyncAPI names them."""
        if topic.name in self.receives:
            yield "receive"
        if topic.name in self.sends:
            yield "send"

    def summary(self, topic: Topic, action: str) -> str:
        """One sentence about it."""
        return (self.receives if action == "receive" else self.sends)[topic.name]


def _each(chosen: tuple[Topic, ...], about: str) -> dict[str, str]:
    return {topic.name: about for topic in chosen}


_OPERATOR: Final = "Declares or revokes exclusions, opens or closes incidents from a terminal."

PARTIES: Final = (
    Party(
        "streams",
        receives={
            **_each(topics.EVENT_TOPICS, "Measures and judges live what producers publish."),
            topics.CONTRACTS.name: "Judges each month by the version that governs it.",
            topics.CALENDARS.name: "Counts working days by them, where a contract names one.",
            topics.RAW_MAILLOG.name: "Assembles lines into events of mail.mta.",
        },
        sends={
            **_each(
                topics.EVENT_TOPICS,
                "Publishes once more, under its tenant's key, what came under another.",
            ),
            topics.MTA.name: "Publishes events assembled from lines, and under its tenant's key"
            " what came under another.",
            topics.OPS.name: "Publishes how far each mail log is read, and under its tenant's key"
            " what came under another.",
            topics.WINDOWS.name: "Tells rolling values; subscribers read them.",
            topics.OUTAGES.name: "Tells outages; the newest record of an outage holds.",
            topics.BREACHES.name: "Tells every change of an indicator's state; subscribers act.",
            topics.STATUS.name: "Tells the present state of each indicator.",
            topics.DEAD_LETTERS.name: "Tells what could not be accepted, and why.",
        },
    ),
    Party(
        "sinks",
        receives=_each(topics.LANDED_TOPICS, "Lands the records in ClickHouse."),
    ),
    Party(
        "commands",
        sends={
            topics.CONTRACTS.name: "Publishes contract documents: mailsla contract apply.",
            topics.CALENDARS.name: "Publishes working days of one's own: mailsla calendar apply.",
            topics.OPS.name: _OPERATOR,
            topics.CLOSINGS.name: "Publishes each revision of a closed month: mailsla close.",
        },
    ),
)
