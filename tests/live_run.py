"""A history lived through by one live task, on a log and a clock of the test's own."""

import json
from collections.abc import Iterable, Iterator
from random import Random

import numpy as np

from mailsla.schemas.contract import Contract
from mailsla.schemas.results import Status
from mailsla.schemas.topics import (
    BROADCAST,
    CALENDARS,
    CONTRACTS,
    EVENT_TOPICS,
    MTA,
    STATUS,
    STREAMS_STATE,
)
from mailsla.streams.clauses.model import segments
from mailsla.streams.live.decode.records import decode
from mailsla.streams.live.evaluate.sections import assess_sections
from mailsla.streams.live.evaluate.states import SETTLE_US
from mailsla.streams.live.inbox import Inbox
from mailsla.streams.live.state.platform import Broadcast, Platform
from mailsla.streams.live.task import SILENCE_US, Task
from mailsla.streams.runtime.checkpoint.state_log import read_state
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.runtime.faust_app.batches import LOG_APPEND_TIME, RecordBatch
from mailsla.streams.time.calendar import HOUR, Month, to_us
from tests.reference.strategies import History
from tests.reference.values import Finding, Judged, Part

BROKER_US = 4_102_444_800_000_000  # 2100: after every event, whatever its month
LATENESS_US = 120_000_000
TICK_S = 0.1
SECOND = 1_000_000

DOCUMENTS = {CALENDARS.name, CONTRACTS.name}

Record = tuple[str, bytes, bytes]


def contract_record(contract: Contract) -> Record:
    """A version of a contract as it is published."""
    return CONTRACTS.name, contract.tenant_id.encode(), contract.model_dump_json().encode()


def apply(task: Task, batch: RecordBatch, now_us: int, now_s: float) -> None:
    """Let a task apply what it has not yet of a fetched batch, as a whole."""
    fresh = batch.after(task.applied(batch.topic))
    if fresh is None:
        return
    if batch.topic in DOCUMENTS:
        task.apply_documents(fresh, {}, None)
    else:
        for _ in task.apply_decoded([decode(fresh, now_us)], now_s):
            pass


class LiveRun:
    """Feeds a log to a task in batches; what it tells is kept, what it broadcasts comes back.

    Checkpoints are durable at once. `restart` is a crash right after one.
    """

    def __init__(self, silence_us: int = SILENCE_US, now_s: float = 0.0, **options: int) -> None:
        self._options = {"silence_us": silence_us, **options}
        self.silence_us = silence_us
        self.now_s = now_s
        self.status: dict[tuple[str, str, str], Status] = {}
        self.last_period: dict[tuple[str, str], str] = {}
        """Tenant and indicator → the period of the last record under that key of ``sla.status``."""
        self.told: list[Outgoing] = []
        """Every record it has made, states included, in order."""
        self._state: dict[bytes, bytes] = {}
        self._broadcast: list[bytes] = []
        self._heard = 0
        self._offsets: dict[str, int] = {}
        self._start()

    def _start(self) -> None:
        self.platform = Platform()
        self._read_broadcast()
        self.inbox = Inbox(MTA.name, [one.name for one in EVENT_TOPICS if one.name != MTA.name])
        self.task = Task(0, LATENESS_US, self.platform, **self._options)

    def restart(self) -> None:
        """Go on in a new task, from what the old one made durable; what waits still does."""
        waiting = self.task.clock.waiting
        self._heard = 0
        self._start()
        self.task.clock.waiting = waiting
        self.task.restore(read_state(self._state), self.now_s)

    def take_over(
        self, state: dict[bytes, bytes], broadcast: list[bytes], offsets: dict[str, int]
    ) -> None:
        """Go on from the state of another life, with what was broadcast and read in it."""
        self._state, self._broadcast, self._offsets = state, broadcast, offsets
        self.restart()

    def feed(self, records: list[Record], broker_us: list[int] | None = None) -> None:
        """Apply consecutive records of the log, one batch per topic, as a worker does: in step.

        Records of the broadcast topic come alone.

        Args:
            records: in log order.
            broker_us: when the broker received each; long after every event where not given.

        """
        if records and records[0][0] == BROADCAST.name:
            self.broadcast(value for _, _, value in records)
            return
        times = broker_us or [BROKER_US] * len(records)
        for topic in sorted({topic for topic, _, _ in records}):
            own = [
                (record, at)
                for record, at in zip(records, times, strict=True)
                if record[0] == topic
            ]
            batch = self._batch(topic, own)
            fresh = batch.after(self.task.applied(topic))
            if topic in DOCUMENTS or fresh is None:
                apply(self.task, batch, BROKER_US, self.now_s)
            else:
                self.inbox.offer(decode(fresh, BROKER_US))
        while (bite := self.inbox.take(lambda topic: False)) is not None:
            for _ in self.task.apply_decoded(bite.batches, self.now_s, bite.until_us):
                pass

    def checkpoint(self, everything: bool = True) -> None:
        """Make everything durable that the task has to tell, or what is urgent of it."""
        made = self.task.checkpoint(self.now_s, everything)
        assert everything or not made.offsets
        self.told += made.records
        for record in [*made.records, made.head]:
            if record.topic == STREAMS_STATE.name:
                self._keep(record.key, record.value)
            elif record.topic == BROADCAST.name:
                self._broadcast.append(record.value)
            elif record.topic == STATUS.name:
                told = Status.model_validate_json(record.value)
                self.status[told.tenant_id, told.indicator, told.period] = told
                self.last_period[told.tenant_id, told.indicator] = told.period

    def overtaken(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Keys of ``sla.status`` whose last record is not of the newest period told; the two."""
        newest: dict[tuple[str, str], str] = {}
        for tenant, indicator, period in self.status:
            newest[tenant, indicator] = max(period, newest.get((tenant, indicator), ""))
        return {
            key: (self.last_period[key], period)
            for key, period in newest.items()
            if self.last_period[key] != period
        }

    def hear(self) -> None:
        """Take what was broadcast since the last time."""
        read = self._read_broadcast()
        if read:
            self.task.hear(read, self.now_s)

    def broadcast(self, values: Iterable[bytes]) -> None:
        """Hear what the platform's task tells everybody."""
        self._broadcast.extend(values)
        self.hear()

    def pass_time(self, seconds: float) -> None:
        """Let the clock run, and the worker with it, until nothing is left to tell."""
        self.now_s += seconds
        while self._heard < len(self._broadcast) or self.task.due(self.now_s):
            self.hear()
            self.checkpoint()
            self.now_s += TICK_S

    def reach(self, instant_us: int) -> None:
        """Be idle until event time has come to an instant, and what is due there is told."""
        mail_us = self.task.tenants.latency.clock_us or instant_us
        reached_us = min(self.task.clock.now_us(self.now_s), mail_us)
        missing_us = instant_us + LATENESS_US - reached_us
        # Sources that say nothing go on only after a while, and idle time trails the system's.
        silence_s = self.silence_us / SECOND + 3.0
        self.pass_time(max(0.0, missing_us / SECOND) + silence_s)
        # What was heard of the past only then has still to settle.
        self.pass_time(SETTLE_US / SECOND + TICK_S)

    def _read_broadcast(self) -> list[Broadcast]:
        news = list(enumerate(self._broadcast))[self._heard :]
        self._heard = len(self._broadcast)
        found = [self.platform.read(value, offset, self.now_s) for offset, value in news]
        return [told for told in found if told is not None]

    def _keep(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._state.pop(key, None)
        else:
            self._state[key] = value

    def _batch(self, topic: str, own: list[tuple[Record, int]]) -> RecordBatch:
        start = self._offsets.get(topic, 0)
        self._offsets[topic] = start + len(own)
        return RecordBatch(
            topic,
            0,
            np.arange(start, start + len(own)),
            [record[1] for record, _ in own],
            [record[2] for record, _ in own],
            np.array([at for _, at in own], dtype=np.int64),
            LOG_APPEND_TIME,
        )


def log_of(history: History, rng: Random) -> list[Record]:
    """The history's records, and the contracts and calendars somewhere before half of it."""
    records = history.records()
    places = sorted(rng.randrange(len(records) // 2 + 1) for _ in history.calendars)
    for place, document in reversed(list(zip(places, history.calendars, strict=True))):
        key, value = document["calendar"].encode(), json.dumps(document).encode()
        records.insert(place, (CALENDARS.name, key, value))
    for contract in reversed(history.contracts):
        records.insert(rng.randrange(len(records) // 2 + 1), contract_record(contract))
    return records


def live_through(history: History, rng: Random, restarts: int = 0) -> LiveRun:
    """Feed all of a history in random cuts, and be idle until its cutoff has passed."""
    run = LiveRun()
    batches = list(_cuts(log_of(history, rng), rng))
    crashes = {rng.randrange(len(batches)) for _ in range(restarts)} if batches else set()
    for number, batch in enumerate(batches):
        run.feed(batch)
        if rng.random() < 0.7 or number in crashes:
            run.checkpoint()
        if number in crashes:
            run.restart()
        if rng.random() < 0.7:
            run.hear()
        run.now_s += rng.choice((0.0, 0.1, 1.0))
    run.pass_time(TICK_S)
    # By then every message of the month that is in flight has been so for too long.
    run.reach(to_us(history.cutoff) + 2 * HOUR)
    return run


def _cuts(records: list[Record], rng: Random) -> Iterator[list[Record]]:
    place = 0
    while place < len(records):
        size = rng.choice((1, 2, 5, 20, 100))
        yield records[place : place + size]
        place += size


def findings(run: LiveRun, history: History, tenants: set[str], now_us: int):
    """(tenant_id, indicator) → the finding as the ledger sees it."""
    month = Month.parse(history.month)
    return {
        (tenant, found.measure.indicator): Judged(
            Finding(found.measure.observed, found.measure.raw, found.measure.taken, found.verdict),
            found.term.remedy,
            tuple(_part(each) for each in found.parts),
        )
        for tenant in tenants
        for found in assessments(run.task, tenant, month, now_us)
    }


def assessments(task: Task, tenant: str, month: Month, now_us: int):
    """Every indicator of a tenant-month as a task sees it at an event time."""
    yield from task.latency.assess(task.tenants.code(tenant), month)
    yield from assess_sections(task.tenants, tenant, month, now_us, range(1, 10))


def _part(judged: segments.Judged) -> Part:
    return Part(
        judged.governed.contract.version,
        *judged.governed.days,
        judged.measure.observed,
        judged.term.target,
        judged.term.comparator,
        judged.verdict,
    )
