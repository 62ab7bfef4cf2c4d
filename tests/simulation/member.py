"""A worker of the simulated group: the live worker of production on the broker of the world."""

import asyncio
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from unittest.mock import patch

from aiokafka.errors import KafkaError

from mailsla.schemas.codec.columnar import decode_batch
from mailsla.schemas.topics import BROADCAST, CALENDARS, CONTRACTS, EVENT_TOPICS
from mailsla.streams.live import breath, measures, worker
from mailsla.streams.live.checkpoint import in_flight, upgrade
from mailsla.streams.live.decode import records
from mailsla.streams.live.measures import Measures
from mailsla.streams.live.worker import Live
from mailsla.streams.metrics.health import Health
from mailsla.streams.runtime.checkpoint.writer import Fenced
from tests.simulation.world import identities

TOPICS = [*(topic.name for topic in EVENT_TOPICS), CONTRACTS.name, CALENDARS.name]


_decoded = {}
_MOST_DECODED = 20_000


def decode_once(topic, values, times_us):
    """What decoding gives for the same bytes and times is the same: a load is read many times."""
    key = topic, tuple(values), times_us.tobytes()
    if key not in _decoded:
        if len(_decoded) >= _MOST_DECODED:
            _decoded.clear()
        _decoded[key] = decode_batch(topic, values, times_us)
    return _decoded[key]


@contextmanager
def in_place_of_the_machine(clock, broker):
    """Inside, the live worker reads the world's clock and topics."""

    class Reader:
        """What `BroadcastReader` is to a real broker."""

        def __init__(self, settings, committed):
            self._offset = 0

        async def catch_up(self):
            return await self.poll()

        async def poll(self):
            fetched = broker.after((BROADCAST.name, 0), self._offset)
            if fetched:
                self._offset = fetched[-1].offset + 1
            return [(one.value, one.offset) for one in fetched]

        async def close(self):
            return

    async def read_records(settings, partition, committed):
        await asyncio.sleep(0.01)
        return broker.state(partition)

    def topic_identities(settings, names):
        return identities(names)

    with (
        patch.multiple(
            worker,
            BroadcastReader=Reader,
            topic_identities=topic_identities,
            time=clock,
            gc=SimpleNamespace(collect=lambda: 0),
        ),
        patch.object(upgrade, "read_records", read_records),
        patch.object(records, "decode_batch", decode_once),
        patch.object(breath, "time", clock),
        patch.object(measures, "time", clock),
        patch.object(in_flight, "time", clock),
        patch.object(in_flight, "settled", lambda: None),
    ):
        yield


class Member:
    """One worker's life, from its start to its end.

    Args:
        group: it is one of; gives it partitions, and is told of its end.
        settings: the worker's.
        delivery: makes its checkpoints durable, or does not.
        chance: how much it fetches, and in which order.

    """

    def __init__(self, group, settings, delivery, chance):
        self._group, self._broker, self._chance = group, group.broker, chance
        self.delivery = delivery
        silence_us = int(settings.source_silence_s * 1e6)
        self.live = Live(settings, delivery, self._behind, Measures(Health("sim"), silence_us), {})
        self.partitions: set[int] = set()
        self.alive = True
        self._news = asyncio.Event()
        self.idle = False
        """Whether its last look found nothing to fetch."""
        self._generation = 0
        self._positions: dict[tuple[str, int], int] = {}
        self._fetched: set[tuple[str, int]] = set()
        self._slower = chance.choice((4, 16, 64))
        """How much longer each pause is where nothing came: what is told hangs on no pace."""
        self._tasks = [asyncio.create_task(one) for one in (self._fetch(), self._work())]

    async def revoke(self):
        """Give all partitions up, as Faust has a worker do in every rebalance."""
        self._generation += 1
        await self._own(self.live.drop_all())

    async def assign(self, partitions):
        """Take partitions; it goes on where the group is."""
        self._generation += 1
        self.partitions = set(partitions)
        self._fetched.clear()
        places = [(topic, p) for p in sorted(partitions) for topic in TOPICS]
        self._positions = {place: self._broker.committed.get(place, 0) for place in places}
        await self._own(self.live.resume(set(partitions)))

    async def leave(self):
        """End in order: what is applied becomes durable."""
        await self._own(self.live.close())
        self.crash()

    def end(self):
        """Crash by itself."""
        self._group.ended(self)

    def crash(self):
        """End at once, wherever it is; what was not durable is gone."""
        self.alive = False
        under_way = list(self.live._deliveries._under_way.values())
        for task in [*self._tasks, *under_way]:
            task.cancel()

    async def quiet(self):
        """Whether everything known is applied, published and durable."""
        now = self._group.clock.monotonic()
        members = [self.live._members.get(p) for p in self.partitions]
        return (
            self.idle
            and all(members)
            and all(self._is_done(one, now) for one in members)
            and not any(self.live._deliveries.is_under_way(p) for p in self.partitions)
        )

    def _is_done(self, member, now):
        task = member.task
        read = all(
            not self._broker.has_after((topic, task.partition), task.applied(topic))
            for topic in TOPICS
        )
        return read and not task.due(now)

    async def _own(self, step):
        """Run a step as part of this life: it ends with it."""
        task = asyncio.create_task(step)
        self._tasks.append(task)
        await asyncio.wait({task})
        self._tasks.remove(task)
        self._note(task)

    def _note(self, task):
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Fenced | KafkaError):
            self._group.ended(self)
        elif error is not None:
            self._group.fail(error)

    async def _fetch(self):
        try:
            patience_s = 0.0
            while True:
                patience_s = self._longer(patience_s, await self._fetch_some())
                await asyncio.sleep(self._pause_s(patience_s))
        except (Fenced, KafkaError):
            self._group.ended(self)
        except Exception as error:
            self._group.fail(error)

    async def _fetch_some(self):
        generation, found = self._generation, False
        for place in self._chance.sample(list(self._positions), len(self._positions)):
            if generation != self._generation or place[1] not in self.partitions:
                break
            if not self.live.may_fetch(SimpleNamespace(topic=place[0], partition=place[1])):
                continue
            size = self._chance.choice((1, 3, 10, 100, 1_000))
            batch = self._broker.batch(place, self._positions[place], size)
            self._fetched.add(place)
            if batch is not None:
                found = True
                self._news.set()
                self._positions[place] = batch.next_offset
                await self.live.handle(batch, lambda: generation == self._generation)
        self.idle = not found
        return found

    async def _work(self):
        try:
            patience_s = 0.0
            while True:
                self._news.clear()  # what comes from here on may be too late for this look
                await self.live.work()
                patience_s = self._longer(patience_s, not self.idle or self._news.is_set())
                with suppress(TimeoutError):
                    # Not `wait_for`, which may swallow the end of this life.
                    async with asyncio.timeout(self._pause_s(patience_s)):
                        await self._news.wait()
        except (Fenced, KafkaError):
            self._group.ended(self)
        except Exception as error:
            self._group.fail(error)

    def _longer(self, patience_s, fruitful):
        """How long to wait, seconds: longer each time that there was nothing to do."""
        return 0.05 if fruitful else max(0.05, self._slower * patience_s)

    def _pause_s(self, patience_s):
        """The same, but not beyond what happens next from outside."""
        return min(patience_s, max(self._group.until_next_s() - 0.05, 0.02))

    def _behind(self, topic, partition, offered):
        place = topic, partition
        return place not in self._fetched or self._broker.has_after(place, offered)
