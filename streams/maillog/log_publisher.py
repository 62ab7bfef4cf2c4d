"""Shipping a log's events to Kafka: published, acknowledged, and only then remembered as read.

Ids are functions of the lines, so whatever is sent twice (a second run over the same file, a
restart after a kill) counts once wherever it lands.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from mailsla.schemas.topics import MTA, OPS
from mailsla.streams.connectors.bounded import MAX_LINE_BYTES
from mailsla.streams.connectors.follow import Follower, save_state
from mailsla.streams.connectors.postfix import PostfixConnector
from mailsla.streams.runtime.checkpoint.writer import Outgoing, send_all

CHUNK_LINES: Final = 5_000
"""Lines read, published and acknowledged together."""

PROGRESS_S: Final = 30.0
"""How often a log that is read to its end says so."""

_POLL_S: Final = 0.25
_SAVE_S: Final = 1.0
_SAVE_SHARE: Final = 0.1
_IDLE_S: Final = 60.0
_RETRY_S: Final = 1.0
_GRACE_S: Final = 5.0


class ShippingError(Exception):
    """The broker did not take the events; the message says what to do."""


class Shipper:
    """Feeds lines to a connector and publishes what they complete.

    Args:
        connector: reads the lines.
        producer: started; the caller stops it.
        host: stands in for the host of a record that names none.
        stop: set to end; what is under way has five seconds left.
        note: is told, once each time, that the broker is away.
    """

    def __init__(
        self,
        connector: PostfixConnector,
        producer: AIOKafkaProducer,
        host: str | None,
        stop: asyncio.Event,
        note: Callable[[str], None],
    ) -> None:
        self.connector = connector
        self.events: Counter[str] = Counter()
        self.stop = stop
        self._producer, self._host, self._note = producer, host, note
        self.start_counting()

    @property
    def counters(self) -> Counter[str]:
        """What this run read and left out (see `PostfixConnector.counters`), and cut lines."""
        total = self.connector.counters
        total.subtract(self._before)
        total["cut"] = self._cut
        return total

    @property
    def misunderstood(self) -> dict[str, tuple[int, str]]:
        """The kinds of lines this run did not understand: how many, and an example of each."""
        return {
            kind: (count - self._known.get(kind, 0), example)
            for kind, (count, example) in self.connector.misunderstood.items()
            if count > self._known.get(kind, 0)
        }

    def start_counting(self) -> None:
        """Count from here on: what a restored connector brings along is no work of this run."""
        self._before = self.connector.counters
        self._known = {kind: seen[0] for kind, seen in self.connector.misunderstood.items()}
        self._cut = 0

    async def ship(self, lines: Sequence[bytes], patient: bool) -> bool:
        """Publish the events of some lines; see `publish`."""
        feed, host = self.connector.feed, self._host
        self._cut += sum(len(line.rstrip(b"\r\n")) >= MAX_LINE_BYTES for line in lines)
        return await self.publish(
            [event for line in lines for event in feed(line, host=host)], patient
        )

    async def publish_progress(self, reached: datetime) -> bool:
        """Say how far the log is read; see `publish`."""
        # A wrong stamp may have carried the log's time beyond ours.
        events = self.connector.progress(min(reached, datetime.now(UTC)))
        return await self._send(OPS.name, events, patient=True)

    async def publish(self, events: Sequence[Mapping[str, Any]], patient: bool) -> bool:
        """Send events and await every acknowledgement.

        Args:
            events: `mail.mta` events; the tenant is the key.
            patient: whether to go on trying while the broker is away.

        Returns:
            Whether all were acknowledged; False when `stop` was set before.

        Raises:
            ShippingError: the broker did not take them, and ``patient`` is not set.

        """
        if not await self._send(MTA.name, events, patient):
            return False
        self.events.update(event["type"] for event in events)
        return True

    async def _send(self, topic: str, events: Sequence[Mapping[str, Any]], patient: bool) -> bool:
        records = [
            Outgoing(topic, event["tenant_id"].encode(), orjson.dumps(event)) for event in events
        ]
        told = False
        while records:
            try:
                if not await self._finished(send_all(self._producer, records)):
                    return False
                break
            except KafkaError as error:
                if not patient:
                    raise ShippingError(
                        f"the broker did not take the events ({type(error).__name__}); "
                        "run the command again, what was sent already counts once"
                    ) from None
                if not told:
                    self._note(f"the broker is away ({type(error).__name__}); trying on")
                told = True
                await paused(self.stop, _RETRY_S)
        return True

    async def _finished(self, sending: Any) -> bool:
        """Await something, but not for long once `stop` is set."""
        task = asyncio.ensure_future(sending)
        stopping = asyncio.ensure_future(self.stop.wait())
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await asyncio.wait({task}, timeout=_GRACE_S)
        if task.done():
            task.result()
            return True
        task.cancel()
        with suppress(asyncio.CancelledError, KafkaError):
            await task
        return False


async def ship_all(
    shipper: Shipper,
    chunks: AsyncIterator[list[bytes]],
    progress: Callable[[Shipper], None],
) -> dict[str, Any] | None:
    """Ship a log to its end, and what its end completes.

    Returns:
        What was open at the end, for a log that goes on from there; None when stopped before.

    Raises:
        ShippingError: the broker did not take the events.

    """
    async for lines in chunks:
        if not await shipper.ship(lines, patient=False):
            return None
        progress(shipper)
    if shipper.stop.is_set():
        return None
    state = shipper.connector.snapshot()
    if not await shipper.publish(shipper.connector.flush(), patient=False):
        return None
    return state


class Following:
    """Follows a log until stopped; the place and the assembler's state stand in a file.

    The order is always the same: lines read, events acknowledged, place saved. It is saved
    about every second, and less often where the state is so large that writing it takes long.
    At the end of the log its progress is published twice a minute.
    """

    def __init__(self, shipper: Shipper, follower: Follower, state_file: Path) -> None:
        self._shipper, self._follower, self._state_file = shipper, follower, state_file
        self._unsaved = False
        self._save_at = 0.0
        # The log's own time, and the moment of ours at which it had been reached.
        self._reached = shipper.connector.log_time
        self._since = time.monotonic()
        self._progress_at = 0.0

    async def run(self, progress: Callable[[Shipper], None]) -> None:
        """Ship what is written, until the shipper's `stop` is set."""
        stop = self._shipper.stop
        self._remember_beginning()
        acknowledged = True
        while acknowledged and not stop.is_set():
            lines = self._follower.poll(CHUNK_LINES)
            if lines:
                self._since = time.monotonic()
                acknowledged = await self._shipper.ship(lines, patient=True)
                self._unsaved = True
                self._reached = self._shipper.connector.log_time
                progress(self._shipper)
            else:
                acknowledged = await self._let_time_pass() and await self._tell_progress()
            if acknowledged and self._unsaved and time.monotonic() >= self._save_at:
                self._save()
            if not lines:
                await paused(stop, _POLL_S)
        if acknowledged and self._unsaved:
            self._save()

    def _remember_beginning(self) -> None:
        """Name the log before anything is read of it: killed early, it is found again rotated."""
        self._follower.open()
        if self._follower.position is not None and not self._state_file.exists():
            self._save()
            self._save_at = 0.0

    async def _let_time_pass(self) -> bool:
        """A silent log's messages grow older by what elapses, from the log's own time on."""
        now = time.monotonic()
        if self._reached is None or now < self._since + _IDLE_S:
            return True
        self._reached += timedelta(seconds=now - self._since)
        self._since = now
        events = self._shipper.connector.advance(self._reached)
        self._unsaved = self._unsaved or bool(events)
        return await self._shipper.publish(events, patient=True)

    async def _tell_progress(self) -> bool:
        """All that was written is read: the log's time goes on by what elapses."""
        now = time.monotonic()
        if self._reached is None or now < self._progress_at:
            return True
        self._progress_at = now + PROGRESS_S
        return await self._shipper.publish_progress(
            self._reached + timedelta(seconds=now - self._since)
        )

    def _save(self) -> None:
        started = time.monotonic()
        snapshot = self._shipper.connector.snapshot()
        save_state(self._state_file, self._follower.position, snapshot)
        now = time.monotonic()
        self._save_at = now + max(_SAVE_S, (now - started) / _SAVE_SHARE)
        self._unsaved = False


async def paused(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond the moment `stop` is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
