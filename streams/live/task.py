"""One task: partition p of every input topic, with the state derived from it.

Nothing here waits: a task takes batches in, and prepares a checkpoint that its caller makes
durable. Its state is a function of the records applied, whatever the batches' cut or timing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

from schemas.codec import Rejection, decode_contract
from schemas.contract import Contract
from schemas.identifiers import PLATFORM
from schemas.topics import CONTRACTS, MTA, OPS
from streams.clauses.facts import Fact
from streams.latency.messages import ROW
from streams.live.apply.events import Arrivals, Arrived
from streams.live.apply.invalidation import EXCLUSIONS
from streams.live.decode.dead_letters import dead_letter
from streams.live.decode.records import Intake, take_in
from streams.live.evaluate.scheduler import NO_LIMIT, SECTIONS_OF_TOPIC, Evaluation
from streams.live.publish.latency_windows import latency_record
from streams.live.publish.times import text_of
from streams.live.state.platform import (
    Platform,
    broadcast_record,
    concerns_platform,
    mark_record,
)
from streams.live.state.tenants import Ledger
from streams.runtime.batches import RecordBatch
from streams.runtime.delivery import Outgoing
from streams.runtime.statelog import (
    Head,
    Segment,
    forget_rows,
    head_record,
    segment_records,
)
from streams.windows.calendar import Month
from streams.windows.clock import EventClock

_NO_ROWS: Final = np.empty(0, dtype=ROW)
_PANES: Final = 100
"""Folded panes in one entry of the state, so that it fits a record."""
_MARK_EVERY_US: Final = 10_000_000
_BEHIND_S: Final = 20.0
"""How long messages may fail to come that are known, or after a start likely, to wait."""
_MEETS_PLATFORM: Final = "meets_platform"
_OPEN_SINCE: Final = "open_since"
_HEARD: Final = "heard"
_REACHED: Final = "reached_us"


@dataclass(frozen=True)
class Checkpoint:
    """What must become durable together: records, the head that makes them valid, offsets."""

    records: Sequence[Outgoing]
    head: Outgoing
    offsets: dict[tuple[str, int], int]


@dataclass
class Counters:
    """What a task has seen since it was claimed."""

    events: int = 0
    rejected: int = 0
    rekeyed: int = 0
    tombstones: int = 0


@dataclass
class _Pending:
    """What waits for the next checkpoint."""

    outgoing: list[Outgoing] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)


class Task:
    """The live state of one partition.

    Args:
        partition: number of the partition.
        lateness_us: how late an event may be for the short windows, µs.
        most_messages: how many messages are remembered one by one; of older ones only the sums of
            their months stay.
        platform: what is known of the whole platform, shared with the worker's other tasks.

    """

    def __init__(
        self,
        partition: int,
        lateness_us: int,
        platform: Platform,
        most_messages: int = 5_000_000,
    ) -> None:
        self.partition = partition
        self.counters = Counters()
        self.clock = EventClock()
        self.ledger = Ledger(platform, lateness_us)
        self.evaluation = Evaluation(self.ledger, partition)
        self._arrivals = Arrivals(self.ledger, self.evaluation)
        self._head = Head()
        self._stored_tenants = 0
        self._marked_us = 0
        self._most_messages = most_messages
        self._erased: list[Outgoing] = []
        self._pending = _Pending()
        self._mail_behind_s = -inf

    @property
    def pending(self) -> int:
        """Records and rows that wait for the next checkpoint."""
        arrived = sum(len(rows) for rows in self._arrivals.arrived.rows)
        return len(self._pending.outgoing) + arrived

    @property
    def dirty(self) -> bool:
        """Whether anything was applied since the last checkpoint that told everything."""
        return bool(self._pending.offsets)

    def due(self, now_s: float, everything: bool = True) -> bool:
        """Whether a checkpoint would tell or keep anything, or anything urgent."""
        news = bool(self._pending.outgoing or self._arrivals.arrived.told)
        now_us, reach_us = self._now_us(now_s), self._come_to(now_s)
        waits = self.dirty if everything else news
        return waits or self.evaluation.is_due(now_us, reach_us, everything)

    def restore(self, head: Head, segments: Sequence[Segment], now_s: float) -> None:
        """Rebuild the state as of a head, by applying its segments again."""
        self._head = head
        for segment in segments:
            for tenant in segment.tenants:
                self.ledger.code(tenant)
            self.ledger.restore(segment.rows, segment.names)
            for entry in segment.kept:
                self._restore_kept(orjson.loads(entry))
        self._stored_tenants = len(self.ledger.names)
        self.clock.observe(head.latest_us, head.latest_us, now_s)
        reached = head.extra.get(_REACHED, [head.latest_us, 0, 0])
        each = self.evaluation
        each.position_us, each.patient_us, each.mail_us = reached  # type: ignore[misc]
        each.mail_reach_us = each.mail_us
        open_since = head.extra.get(_OPEN_SINCE)
        self.evaluation.resume(head.latest_us, str(open_since) if open_since else None)
        # What was broadcast after the last checkpoint is known already, but not told.
        heard = int(str(head.extra.get(_HEARD, 0)))
        for topic, instant in self.ledger.platform.changes_after(heard).items():
            self.evaluation.touch_all(SECTIONS_OF_TOPIC[topic], instant)
            if topic == OPS.name:
                there_since = self.ledger.in_system_since(self.ledger.names, instant)
                self.evaluation.touch_all(SECTIONS_OF_TOPIC[MTA.name], there_since)
        # What is due next must be known before further records are applied.
        self.settle(now_s)

    def apply(self, batch: RecordBatch, now_us: int, now_s: float) -> int:
        """Apply a batch; what was applied before is skipped by its offset.

        Args:
            batch: records of one input topic.
            now_us: system time, µs since 1970.
            now_s: system time, monotonic seconds.

        Returns:
            The number of records that were new.

        """
        fresh = batch.after(self._head.offsets.get(batch.topic, 0))
        if fresh is None:
            self._pending.offsets.setdefault(batch.topic, self._head.offsets[batch.topic])
            return 0
        if batch.topic == CONTRACTS.name:
            self._agree(fresh, self._come_to(now_s))
        else:
            if batch.topic == MTA.name and not batch.at_end:
                self.expect_mail(now_s)
            self._take(take_in(fresh, now_us), batch.topic, now_s)
            if batch.topic == MTA.name and batch.at_end:
                self._mail_behind_s = -inf
        self._head.offsets[batch.topic] = fresh.next_offset
        self._pending.offsets[batch.topic] = fresh.next_offset
        return len(fresh)

    def expect_mail(self, now_s: float) -> None:
        """Messages are, or may be, waiting to be read, and other topics ahead of them."""
        self._mail_behind_s = now_s + _BEHIND_S

    def settle(self, now_s: float) -> None:
        """Tell what is news by now; to be called before the platform takes further facts."""
        self._arrivals.settle(self.ledger.names, self._come_to(now_s))

    def hear(self, facts: Sequence[Fact], now_s: float) -> None:
        """Facts of the platform, just taken by the shared `Platform`."""
        for fact in facts:
            if fact["tenant_id"] == PLATFORM:
                self.clock.observe(fact["time"], fact["time"], now_s)
        if any(fact["type"] in EXCLUSIONS for fact in facts):
            self.ledger.recount(self.ledger.names)
        platform, tenants = self.ledger.platform.scope, tuple(self.ledger.names)
        since: dict[frozenset[int], int] = {}
        for fact in facts:
            for sections, instant in self._arrivals.changes(fact, platform, tenants):
                since[sections] = min(instant, since.get(sections, instant))
        for sections, instant in since.items():
            self.evaluation.touch_all(sections, instant)
        self._arrivals.advance(self.clock.latest_us, self._come_to(now_s))

    def checkpoint(self, now_s: float, everything: bool = True) -> Checkpoint:
        """What came since the last checkpoint, to be made durable by the caller.

        Windows, and states of tenants without urgent news, may wait for a checkpoint that tells
        everything. Only such a one moves the group's offsets on, so that no topic is said to be
        done with while something that follows from it has still to be told; the head has its own.

        It is handed over with this call: should its delivery be cut off, the same checkpoint must
        be delivered again before the next one, whose state builds on it.
        """
        as_of = text_of(self.clock.latest_us)
        told = [
            latency_record(window, self.ledger.names, as_of, self.partition)
            for window in (self.ledger.latency.publish() if everything else ())
        ]
        told += self.evaluation.run(self._now_us(now_s), self._come_to(now_s), everything)
        told += self._mark(now_s)
        arrived = self._arrivals.take()
        if news := self.evaluation.feed.take_news():
            arrived.kept.append(orjson.dumps({"feed": news}))
        if over := self.ledger.exceeding.take_news():
            arrived.kept.append(orjson.dumps({"exceeding": over}))
        erase, self._erased = self._erased, []
        state = [*erase, *self._state_records(arrived)]
        self._head.latest_us = self.clock.latest_us
        self._note_position()
        outgoing, reached = self._pending.outgoing, self._pending.offsets
        self._pending = _Pending(offsets={} if everything else reached)
        told_of = reached.items() if everything else ()
        offsets = {(topic, self.partition): offset for topic, offset in told_of}
        self._stored_tenants = len(self.ledger.names)
        records = [*outgoing, *arrived.told, *told, *state]
        return Checkpoint(records, head_record(self.partition, self._head), offsets)

    def _note_position(self) -> None:
        open_since = self.evaluation.open_since
        self._head.extra[_HEARD] = self.ledger.platform.heard
        self._head.extra[_OPEN_SINCE] = None if open_since is None else open_since.label
        each = self.evaluation
        self._head.extra[_REACHED] = [each.position_us, each.patient_us, each.mail_us]

    def _now_us(self, now_s: float) -> int:
        """Event time reached; never before that at which something was told."""
        return max(self.clock.now_us(now_s), self.evaluation.position_us)

    def _come_to(self, now_s: float) -> int:
        """Note how far messages are known by now.

        Returns:
            Event time up to which the platform's events are known, if it ever had any.

        """
        self.evaluation.know_mail(mail_waits=now_s < self._mail_behind_s)
        reached = self.ledger.platform.reached_us(now_s)
        return NO_LIMIT if reached is None else reached

    def _mark(self, now_s: float) -> Iterator[Outgoing]:
        """How far event time has come, if this task is the one that meets the platform's events."""
        now_us = self._now_us(now_s)
        if self._head.extra.get(_MEETS_PLATFORM) and now_us >= self._marked_us + _MARK_EVERY_US:
            self._marked_us = now_us
            yield mark_record(now_us)

    def _state_records(self, arrived: Arrived) -> list[Outgoing]:
        rows = np.concatenate(arrived.rows) if arrived.rows else _NO_ROWS
        tenants = tuple(self.ledger.names[self._stored_tenants :])
        if not (len(rows) or tenants or arrived.kept):
            return []
        segment = Segment(tenants, rows, tuple(arrived.kept), tuple(arrived.names))
        records = segment_records(self.partition, self._head, segment)
        return [*records, *self._forget()]

    def _forget(self) -> list[Outgoing]:
        """Keep the messages that are remembered one by one within their bound.

        What stays of the others is written first; their rows are erased with the checkpoint
        after, when the head no longer vouches for them.
        """
        held = sum(count for _, count in self._head.row_records)
        if held <= self._most_messages:
            return []
        forgotten, self._erased = forget_rows(
            self.partition, self._head, self._most_messages * 3 // 4
        )
        counted, everything = self.ledger.latency.fold(forgotten)
        kept = [
            orjson.dumps({"folded": (counted[at : at + _PANES], everything[at : at + _PANES])})
            for at in range(0, max(len(counted), len(everything)), _PANES)
        ]
        rows, names = self.ledger.in_flight.rows()
        waiting = Segment((), rows, tuple(kept), tuple(names))
        return segment_records(self.partition, self._head, waiting)

    def _take(self, intake: Intake, topic: str, now_s: float) -> None:
        self._count(intake)
        self._pending.outgoing.extend(intake.outgoing)
        if intake.events.num_rows == 0:
            return
        times = intake.events.column("time").combine_chunks().cast(pa.int64()).to_numpy()
        believed = self.clock.believed(times, intake.broker_us)
        reached_us = max(self.clock.latest_us, self.evaluation.position_us)
        if topic == MTA.name:
            self._come_to(now_s)
            reached_us = self.evaluation.mail_us
        clocks_us = np.maximum(np.maximum.accumulate(believed), reached_us)
        newest = int(believed.max())
        self.clock.observe(newest, newest, now_s)
        reach_us = self._come_to(now_s)
        if topic == MTA.name:
            self._arrivals.messages(intake.events, times, clocks_us, reach_us)
            return
        for fact in self._arrivals.facts(intake.events, clocks_us, reach_us):
            if concerns_platform(fact):
                self._pending.outgoing.append(broadcast_record(fact))
            if fact["tenant_id"] == PLATFORM:
                self._head.extra[_MEETS_PLATFORM] = True

    def _agree(self, batch: RecordBatch, reach_us: int) -> None:
        for place, value in enumerate(batch.values):
            if value is None:
                self.counters.tombstones += 1
                continue
            contract = decode_contract(value)
            if isinstance(contract, Rejection):
                self.counters.rejected += 1
                self._pending.outgoing.append(dead_letter(batch, place, contract))
                continue
            self._arrivals.arrived.kept.append(b'{"contract":' + value + b"}")
            self._apply_contract(contract, reach_us)

    def _apply_contract(self, contract: Contract, reach_us: int) -> None:
        known = self.ledger.versions(contract.tenant_id)
        self._arrivals.settle((contract.tenant_id,), reach_us)
        self.ledger.agree(contract)
        # From the first day of any version: the one published again may have had an earlier one.
        first = min(each.effective_from for each in (contract, *known))
        self.evaluation.touch_since(contract.tenant_id, Month.of(first))
        self._arrivals.settle((contract.tenant_id,), reach_us)

    def _restore_kept(self, entry: dict[str, Any]) -> None:
        match entry:
            case {"fact": fact}:
                self.ledger.observe(fact)
            case {"contract": document}:
                contract = decode_contract(orjson.dumps(document))
                if isinstance(contract, Contract):
                    self.ledger.agree(contract)
            case {"feed": news}:
                self.evaluation.feed.restore(news)
            case {"exceeding": entries}:
                self.ledger.exceeding.restore(entries)
            case {"folded": folded}:
                self.ledger.latency.unfold(folded)
            case {"first": first}:
                codes, times = zip(*first, strict=True)
                self.ledger.note_mta(np.array(codes), np.array(times))

    def _count(self, intake: Intake) -> None:
        self.counters.events += intake.events.num_rows
        self.counters.rejected += intake.rejected
        self.counters.rekeyed += intake.rekeyed
        self.counters.tombstones += intake.tombstones
