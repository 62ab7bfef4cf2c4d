"""One history: a load, a group of workers, and what befalls them; and what they have told."""

import asyncio
import logging
from contextlib import suppress
from random import Random

from mailsla.streams.settings import Settings
from tests.simulation.clock import Clock, Loop
from tests.simulation.member import Member, in_place_of_the_machine
from tests.simulation.mischief import Ordered, Transactions
from tests.simulation.world import PARTITIONS, Broker

NEVER_S = 1e9
LONGEST_S = 3_600
"""Within such a time, of the world, everything known must have been applied and told."""


class StuckError(AssertionError):
    """Records wait, or something is due, and nobody does anything about it."""


class Group:
    """The workers of a world, and who of them has which partitions.

    Args:
        load: what comes, and when.
        loop: in which they live.
        chance: what befalls them; None: nothing does.
        kind: how they deliver, `Transactions` or `Ordered`.

    """

    def __init__(self, load, loop, chance, kind):
        self._load, self._chance, self._kind = load, chance, kind
        self.clock = Clock(loop, load.records[0][0] - 1_000_000, chance)
        self.broker = Broker(self.clock)
        self._members: list[Member] = []
        self._zombies: list[Member] = []
        self._wanted = 1
        self._changed = asyncio.Event()
        self._next_s = 0.0
        self._error: BaseException | None = None
        self._away_s = 0.0
        self._calmed = asyncio.Event()
        self.crashes = 0

    async def live(self):
        """From the first record until everything is told."""
        coordinating = asyncio.create_task(self._coordinate())
        self._changed.set()
        for at_s, what in self._events():
            await self._until(at_s)
            if callable(what):
                what()
            else:
                self.broker.append(*what)
        self._calm()
        await self._settled()
        await self._until(self._seconds(self._load.end_us))
        await self._settled()
        coordinating.cancel()
        for member in [*self._members, *self._zombies]:
            member.crash()
        await asyncio.sleep(0)

    def until_next_s(self):
        """How long until something happens from outside."""
        return self._next_s - self.clock.monotonic()

    def ended(self, member):
        """A member has come to its end; its partitions go to the others, or to a new one."""
        self.crashes += 1
        member.crash()
        self._changed.set()

    def fail(self, error):
        """The worker itself is at fault."""
        self._error = self._error or error

    # What happens from outside.

    def _events(self):
        """Records and mischief, in order of time."""
        events = [
            (self._seconds(at_us), (topic, key, value, None, at_us))
            for at_us, topic, key, value in self._load.records
        ]
        if self._chance is not None:
            moments = [at_s for at_s, _ in events]
            choices = [self._kill, self._kill, self._join, self._leave, self._absence]
            for _ in range(self._chance.randint(1, 8)):
                at_s = self._chance.choice(moments) + self._chance.choice((0.0, 0.01, 0.3, 2, 50))
                events.append((at_s, self._chance.choice(choices)))
        return sorted(events, key=lambda event: event[0])

    def _kill(self):
        if self._members:
            self.ended(self._chance.choice(self._members))

    def _join(self):
        self._wanted = 2
        self._changed.set()

    def _leave(self):
        self._wanted = 1
        self._changed.set()

    def _absence(self):
        """Nobody is there for a while."""
        self._away_s = self._chance.choice((10, 1_000, 100_000))
        for member in list(self._members):
            self.ended(member)

    def _calm(self):
        """Nothing goes wrong any more."""
        for member in self._zombies:
            member.crash()
        for member in self._members:
            member.delivery.share = 0.0
        self._calmed.set()

    async def _coordinate(self):
        while True:
            await self._changed.wait()
            if self._chance is not None:
                away_s, self._away_s = self._away_s + self._chance.choice((0.0, 0.1, 3)), 0.0
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._calmed.wait(), away_s)
            self._changed.clear()
            try:
                await self._rebalance()
            except BaseException as error:
                self.fail(error)
                raise

    async def _rebalance(self):
        self._members = [member for member in self._members if member.alive]
        self._lose_sight()
        while len(self._members) > self._wanted:
            await self._members.pop().leave()
        await asyncio.gather(*(member.revoke() for member in self._members))
        self._members = [member for member in self._members if member.alive]
        while len(self._members) < self._wanted:
            self._members.append(self._start())
        for number, member in enumerate(self._members):
            await member.assign(range(number, PARTITIONS, len(self._members)))

    def _lose_sight(self):
        """Who is thought dead and is not; it goes on with what it had until it is shut out."""
        if self._chance is None or self._kind is Ordered or not self._members:
            return
        if self._chance.random() < 0.7:
            return
        zombie = self._members.pop(self._chance.randrange(len(self._members)))
        self._zombies.append(zombie)

    def _start(self):
        quiet = self._chance is None or self._calmed.is_set()
        share = 0.0 if quiet else self._chance.choice((0.0, 0.02, 0.1, 0.3))
        chance = self._chance or Random(0)
        delivery = self._kind(self.broker, chance, share)
        settings = Settings.model_construct(
            **Settings().model_dump() | {"source_silence_s": NEVER_S},
        )
        member = Member(self, settings, delivery, chance)
        delivery.owner = member
        return member

    # Time.

    def _seconds(self, at_us):
        return (at_us - self.clock.start_us) / 1e6

    async def _until(self, at_s):
        self._next_s = at_s
        missing_s = at_s - self.clock.monotonic()
        if missing_s > 0:
            await asyncio.sleep(missing_s)
        if self._error is not None:
            raise self._error

    async def _settled(self):
        """Return once everything known is applied and told."""
        ends_s = self.clock.monotonic() + LONGEST_S
        while self._changed.is_set() or not await self._is_quiet():
            await self._until(self.clock.monotonic() + 2.0)
            if self.clock.monotonic() > ends_s:
                raise StuckError(f"not done after {LONGEST_S} s")

    async def _is_quiet(self):
        alive = [member for member in self._members if member.alive]
        shared = {p for member in alive for p in member.partitions}
        if shared != set(range(PARTITIONS)):
            return False
        return all([await member.quiet() for member in alive])


def lived(load, chance=None, kind=Transactions):
    """The broker of a world at its end."""
    loop = Loop()
    logging.disable(logging.CRITICAL)
    try:
        group = Group(load, loop, chance, kind)
        with in_place_of_the_machine(group.clock, group.broker):
            loop.run_until_complete(group.live())
    finally:
        logging.disable(logging.NOTSET)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    return group.broker
