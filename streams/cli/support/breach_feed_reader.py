"""Reading a topic from the broker, most of all the breach feed."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from mailsla.schemas.topics import BREACHES
from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.runtime.kafka.probe import probe
from mailsla.streams.settings import ConfigurationError, Settings

_CONNECT_MS: Final = 10_000
_POLL_MS: Final = 250
_QUIET_S: Final = 10.0
"""After so long without a record the broker is asked whether it is still there."""
_ASKED_MS: Final = 20_000
"""How long it has for the answer; a restart of it takes less."""


class Feed:
    """The records of every partition of a topic, committed ones only; use as a context.

    Args:
        settings: where the broker is.
        topic: its name; the breach feed by default.

    Raises:
        ConfigurationError: no broker answers, on entry or while its records are read.
        CommandError: the topic is not there.

    """

    def __init__(self, settings: Settings, topic: str = BREACHES.name) -> None:
        self._settings = settings
        self._topic = topic
        self._consumer: Any = None

    def __enter__(self) -> Self:
        if trouble := probe(self._settings):
            raise ConfigurationError(trouble.sentence)
        try:
            self._consumer = KafkaConsumer(
                **client_options(self._settings),
                isolation_level="read_committed",
                enable_auto_commit=False,
                bootstrap_timeout_ms=_CONNECT_MS,
            )
        except KafkaError as error:
            raise self._away(error) from None
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(KafkaError):
            self._consumer.close()

    def records(self, since: datetime | None, until_end: bool) -> Iterator[bytes]:
        """Records written since a time (``None``: from now on), then what comes, or to the end."""
        for batch in self.batches(since, until_end):
            yield from batch

    def batches(self, since: datetime | None, until_end: bool) -> Iterator[list[bytes]]:
        """`records`, as they are read together."""
        try:
            places = self._places()
            ends = self._consumer.end_offsets(places)
            self._consumer.assign(places)
            for place, offset in self._starts(places, ends, since).items():
                self._consumer.seek(place, offset)
            yield from self._read(places, ends, until_end)
        except KafkaError as error:
            raise self._away(error) from None

    def _places(self) -> list[TopicPartition]:
        numbers = self._consumer.partitions_for_topic(self._topic)
        if not numbers:
            raise CommandError(
                f"there is no topic {self._topic} at {self._settings.kafka}; run mailsla topics"
            )
        return [TopicPartition(self._topic, number) for number in sorted(numbers)]

    def _starts(
        self, places: list[TopicPartition], ends: dict[Any, int], since: datetime | None
    ) -> dict[TopicPartition, int]:
        if since is None:
            return dict(ends)
        stamp = int(since.timestamp() * 1000)
        found = self._consumer.offsets_for_times(dict.fromkeys(places, stamp))
        return {place: found[place].offset if found.get(place) else ends[place] for place in places}

    def _read(
        self, places: list[TopicPartition], ends: dict[Any, int], until_end: bool
    ) -> Iterator[list[bytes]]:
        heard_at = time.monotonic()
        ends, asked = dict(ends), set(places)
        while not until_end or any(self._consumer.position(each) < ends[each] for each in places):
            fetched = self._consumer.poll(timeout_ms=_POLL_MS)
            for each in list(asked):
                # As the latest offset Tansu gives that of the last batch; a fetch tells the end.
                if (told := self._consumer.highwater(each)) is not None:
                    ends[each] = max(ends[each], told)
                    asked.discard(each)
            if fetched:
                heard_at = time.monotonic()
            elif time.monotonic() > heard_at + _QUIET_S:
                self._consumer.end_offsets(places, timeout_ms=_ASKED_MS)
                heard_at = time.monotonic()
            if fetched:
                read = (record for records in fetched.values() for record in records)
                yield [record.value for record in read if record.value is not None]

    def _away(self, error: KafkaError) -> ConfigurationError:
        return ConfigurationError(
            f"no Kafka broker answers at {self._settings.kafka} ({type(error).__name__}); "
            "start one with: mailsla up, or set MAILSLA_KAFKA"
        )
