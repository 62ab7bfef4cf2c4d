"""Says in the log that something is wrong: at first, once a minute, and when it is over."""

import logging
import time
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer

from mailsla.streams.runtime.absence import Absence
from mailsla.streams.runtime.faust_app.restart import before_restart

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wording:
    """The three sentences; ``{why}`` and ``{s}``, the seconds so far, are filled in."""

    variable: str
    """In which a worker leaves what it knows to the process that takes its place."""
    begins: str
    goes_on: str
    is_over: str


BROKER: Final = Wording(
    "MAILSLA_KAFKA_AWAY",
    "Kafka is away: {why}; waiting",
    "Kafka has been away for {s:.0f} s: {why}",
    "Kafka is back after {s:.0f} s",
)
WRITING: Final = Wording(
    "MAILSLA_KAFKA_REFUSES",
    "Kafka does not take what this worker writes: {why}; nothing is passed over, it waits",
    "Kafka has not taken what this worker writes for {s:.0f} s: {why}",
    "Kafka takes what this worker writes again after {s:.0f} s",
)
TRANSACTIONS: Final = Wording(
    "MAILSLA_KAFKA_UNDECIDED",
    "Kafka does not say whether it has transactions ({why}); waiting, see MAILSLA_DELIVERY",
    "Kafka has not said for {s:.0f} s whether it has transactions ({why}); see MAILSLA_DELIVERY",
    "Kafka says whether it has transactions after {s:.0f} s",
)


class Notice:
    """One of them, over restarts too."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self._absence = Absence.inherited(wording.variable)
        before_restart(lambda: self._absence.hand_on(wording.variable))

    def bad(self, why: str) -> None:
        """It is so now, for the reason of that sentence."""
        seconds = self._absence.away(time.monotonic())
        if seconds is not None:
            text = self._wording.goes_on if seconds else self._wording.begins
            logger.warning("%s", text.format(s=seconds, why=why))

    def good(self) -> None:
        """It is not, or no longer."""
        seconds = self._absence.back(time.monotonic())
        if seconds is not None:
            logger.info("%s", self._wording.is_over.format(s=seconds))


def is_connected(consumer: AIOKafkaConsumer) -> bool:
    """Whether it has a connection to any broker."""
    return any(one.connected() for one in tuple(consumer._client._conns.values()))
