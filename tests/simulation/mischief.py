"""What goes wrong between a worker and the broker: the ways in which a checkpoint may end."""

import asyncio

from aiokafka.errors import KafkaError

from mailsla.streams.live.caution import NOTE
from mailsla.streams.runtime.checkpoint.writer import Fenced, feed_apart

WELL = "well"
FATES = ("crash before", "crash within", "crash after", "refused", "acknowledgement lost")
"""How a checkpoint ends that does not end well."""


class Delivery:
    """Makes checkpoints durable on the world's broker, and now and then does not.

    Args:
        broker: of the world.
        chance: which checkpoint meets which fate, and how long each takes.
        share: of the checkpoints that do not end well.

    """

    def __init__(self, broker, chance, share):
        self._broker, self._chance, self.share = broker, chance, share
        self.owner = None
        """The member whose checkpoints these are."""

    async def claim(self, task):
        await self._pass()

    async def release(self, task):
        return

    async def close(self):
        return

    async def deliver(self, task, records, head, offsets):
        if any(one.key == NOTE for one in records):
            return  # whatever failed is raised next, and ends the history
        fate = self._chance.choice(FATES) if self._chance.random() < self.share else WELL
        await self._pass()
        if fate == "crash before":
            await self._crash()
        if fate == "refused":
            raise self._refusal()
        await self._write(task, records, head, offsets, fate == "crash within")
        if fate == "crash after":
            await self._crash()
        if fate == "acknowledgement lost":
            raise self._refusal()
        await self._pass()

    async def _pass(self):
        if self.share:
            await asyncio.sleep(self._chance.choice((0.0, 0.002, 0.05, 0.4)))

    async def _crash(self):
        self.owner.end()
        await asyncio.sleep(1e9)


class Transactions(Delivery):
    """All of a checkpoint, or nothing; who claims a task shuts its former holder out."""

    name = "transactions"

    async def claim(self, task):
        await super().claim(task)
        self._broker.holders[task] = self

    def _refusal(self):
        return Fenced("refused")

    async def _write(self, task, records, head, offsets, crash):
        if crash:
            await self._crash()  # what was sent is never committed
        if self._broker.holders.get(task) is not self:
            raise Fenced(f"task {task} has another holder")
        self._broker.commit([*records, head], offsets)


class Ordered(Delivery):
    """Without transactions: results and state, the head, the feed, offsets; any of it may be cut.

    Topics have no common order on their way, and what was sent may be sent twice.
    """

    name = "ordered"

    def _refusal(self):
        return KafkaError("refused")

    async def _write(self, task, records, head, offsets, crash):
        results, feed = feed_apart(records)
        left = self._chance.randrange(len(records) + 3) if crash else None
        left = await self._send(results, left)
        await self._pass()
        left = await self._send([head], left)
        left = await self._send(feed, left)
        if crash:
            await self._crash()
        await self._pass()
        self._broker.committed |= offsets

    async def _send(self, records, left):
        """Send some records; those that are left until the crash, where there is one, after."""
        logs = {}
        for one in records:
            logs.setdefault((one.topic, one.partition), []).append(one)
        groups = [list(group) for group in logs.values()]
        while groups:
            group = self._chance.choice(groups)
            some = group[: self._chance.choice((1, 5, 500))]
            del group[: len(some)]
            groups = [one for one in groups if one]
            for one in some:
                if left == 0:
                    await self._crash()
                left = None if left is None else left - 1
                self._broker.append(one.topic, one.key, one.value, one.partition)
            if self.share and self._chance.random() < self.share:
                for one in some:
                    self._broker.append(one.topic, one.key, one.value, one.partition)
        return left
