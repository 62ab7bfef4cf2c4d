"""One task: partition p of every input topic, with the state derived from it.

Nothing here waits: a task takes batches in, and prepares a checkpoint that its caller makes
durable. Its feed is a function of the records applied, whatever the batches' cut or timing.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import orjson

from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.schemas.contract import Contract
from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.lines import encode_fact
from mailsla.schemas.facts.ops import EventVoidedFact, SourceProgressFact
from mailsla.schemas.topics import CALENDARS, MTA
from mailsla.streams.clauses.invalidation import EXCLUSIONS
from mailsla.streams.live.apply.facts import apply_fact, apply_voiding, land
from mailsla.streams.live.apply.mail import MailBatch, apply_mail
from mailsla.streams.live.apply.quarantine import admit_mail
from mailsla.streams.live.checkpoint import state_log as logs
from mailsla.streams.live.checkpoint.forgetting import forget_again, forget_messages, forget_months
from mailsla.streams.live.checkpoint.position import position
from mailsla.streams.live.checkpoint.recovery import (
    look_again,
    mark_unpublished,
    received_us,
    restore_entries,
    restore_messages,
    resume,
    unheard_voidings,
)
from mailsla.streams.live.checkpoint.state_log import StateLog
from mailsla.streams.live.checkpoint.writing import write_state
from mailsla.streams.live.decode.contracts import Passed, decode_calendars, decode_contracts
from mailsla.streams.live.decode.facts import Arrived, merged_facts
from mailsla.streams.live.decode.homes import Homes
from mailsla.streams.live.decode.message_rows import earliest_us, message_rows, reference_of
from mailsla.streams.live.decode.records import DecodedBatch
from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.dirty_sections import SECTIONS_OF_TOPIC
from mailsla.streams.live.evaluate.latency.transitions import LatencyEvaluation
from mailsla.streams.live.evaluate.newcomers import Newcomers, meet_newcomers
from mailsla.streams.live.evaluate.scheduler import Scheduler
from mailsla.streams.live.evaluate.states import IndicatorStates, Key, Transition
from mailsla.streams.live.publish.outbox import Outbox
from mailsla.streams.live.publish.rounds import Rounds
from mailsla.streams.live.state.mail_clock import MailClock
from mailsla.streams.live.state.platform import (
    Broadcast,
    Platform,
    broadcast_record,
    calendar_record,
    concerns_platform,
    earliest_changes,
)
from mailsla.streams.live.state.progress import KnownProgress, Progress
from mailsla.streams.live.state.strangers import MOST_STRANGERS
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.contents import Checkpoint
from mailsla.streams.runtime.checkpoint.state_log import State, head_record
from mailsla.streams.runtime.faust_app.batches import RecordBatch
from mailsla.streams.time.calendar import Month
from mailsla.streams.time.clock import MICROS, SKEW_CAP_US, EventClock
from mailsla.streams.time.intervals import FOREVER

SILENCE_US: Final = 900 * MICROS
_ROWS_A_RECORD: Final = 10
"""As many rows of the state take as much memory as a result, until both have left: a dead letter is
a kilobyte, and 200,000 of each task, with as many on their way, took two gigabytes."""


class Task:
    """The live state of one partition.

    Args:
        partition: number of the partition.
        lateness_us: how late an event may be, µs.
        platform: what is known of the whole platform, shared with the worker's other tasks.
        most_messages: how many are remembered one by one; of older ones only the sums stay.
        silence_us: how long nothing must come of a source until it is taken to go on, µs.
        most_strangers: how many tenants that no contract names may have facts (`Strangers`).
        most_a_day: how many facts of a tenant and day are taken (`LandedEvents`).
        keeps_feed: whether the state keeps what the feed was last told, which leaves after it.

    """

    def __init__(
        self,
        partition: int,
        lateness_us: int,
        platform: Platform,
        most_messages: int = 5_000_000,
        silence_us: int = SILENCE_US,
        most_strangers: int = MOST_STRANGERS,
        most_a_day: int = 0,
        keeps_feed: bool = False,
    ) -> None:
        self.partition = partition
        self.clock = EventClock()
        self.tenants = Tenants(platform, lateness_us, silence_us, most_strangers, most_a_day)
        self.states = IndicatorStates(self._assessed)
        self.latency = LatencyEvaluation(self.tenants, self.states)
        self.scheduler = Scheduler(self.tenants, self.states)
        self.rounds = Rounds(self.tenants, self.latency, self.scheduler, self.states, partition)
        self._log = StateLog(partition)
        self._most_messages, self._keeps_feed = most_messages, keeps_feed
        self.outbox = Outbox(self.rounds.statuses, partition)
        self._applied = False
        self.late = Counter[str]()
        """Topic → late events since it was asked last."""
        self.known_us: dict[str, int] = {}
        """Topic → event time up to which it was read."""
        self._mail_clock = MailClock(self.tenants.latency, self.clock)
        self._progress = KnownProgress(self.tenants.latency, platform.progress)

    @property
    def pending(self) -> int:
        """What waits for the next checkpoint, in rows of the state; a record counts for several."""
        return _ROWS_A_RECORD * len(self.outbox.records) + self._log.pending

    @property
    def urgent(self) -> bool:
        """Whether there is anything that should not wait: transitions, dead letters, re-keyed."""
        return bool(self.outbox.records)

    @property
    def _meets_platform(self) -> bool:
        """Whether the platform's events come to this task."""
        return "meets_platform" in position(self._log.head)

    @property
    def dirty(self) -> bool:
        """Whether anything applied has still to be published, and its offsets to be committed."""
        return self._applied or not self.positions == self.rounds.offsets == self.rounds.committed

    def restore(self, state: State, now_s: float, present_us: int = 0) -> None:
        """Rebuild the state as of its head.

        Args:
            state: what a former life kept.
            now_s: the system's monotonic clock.
            present_us: the system's time: since the last record came, time has passed.

        """
        self._log.restore(state)
        restore_entries(state, self.tenants, self.states)
        restore_messages(state, self.tenants)
        self.clock.received_us, self.clock.latest_us = received_us(state), state.head.latest_us
        self.anchor(now_s, present_us)
        restored = state, self.tenants, self.latency, self.scheduler
        resume(*restored)
        self.clock.passed(self.scheduler.position_us)
        self.states.resume()
        forget_again(state, self.tenants)
        self.rounds.resume(mark_unpublished(*restored, self.rounds))
        for voiding in unheard_voidings(state, self.tenants):
            self._take_out(voiding)
        self.outbox.tell_again(state.of(logs.TOLD))
        self.outbox.publish(look_again(*restored))

    def anchor(self, now_s: float, present_us: int) -> None:
        """Count idle time from when the broker had the newest events (`EventClock.anchor`)."""
        self.clock.anchor(now_s, present_us)
        self._mail_clock.restore(now_s, present_us)

    def _assessed(self, key: Key) -> Assessment | None:
        """An indicator as it stands."""
        tenant, indicator, month = *key[:2], Month.parse(key[2])
        of_mail = self.latency.assess(self.tenants.code(tenant), month)
        found = *of_mail, *self.scheduler.assess(tenant, month, range(1, 10))
        return next((one for one in found if one.measure.indicator == indicator), None)

    def applied(self, topic: str) -> int:
        """The offset of the next record of a topic to apply."""
        return self.positions.get(topic, 0)

    @property
    def positions(self) -> Mapping[str, int]:
        """The same of every topic."""
        return self._log.head.offsets

    def apply_decoded(
        self, batches: Sequence[DecodedBatch], now_s: float, until_us: int = FOREVER
    ) -> Iterator[None]:
        """Apply events, with a pause wherever others may have a turn.

        Args:
            batches: one of mail, or some of other topics: they are merged by event time.
            now_s: the system's monotonic clock.
            until_us: event time up to which the other topics are known.

        """
        if batches[0].topic == MTA.name:
            batches = [admit_mail(self.tenants, batches[0])]
        if any(len(batch) for batch in batches):
            if batches[0].topic == MTA.name:
                yield from self._apply_mail(batches[0], now_s, until_us)
            else:
                yield from self._apply_facts(batches, now_s)
        for batch in batches:
            self.outbox.records.extend(record for _, record in batch.outgoing)
            if len(batch):
                latest_us = int(batch.believed_us.max())
                self.clock.observe(latest_us, now_s, int(batch.heard_us.max()))
                self.known_us[batch.topic] = max(latest_us, self.known_us.get(batch.topic, 0))
            self._done(batch.topic, batch.next_offset)

    def _apply_mail(self, batch: DecodedBatch, now_s: float, until_us: int) -> Iterator[None]:
        latency = self.tenants.latency
        known = len(self.tenants.names)
        rows, places, codes, sources = message_rows(
            batch, self.tenants.numbers, latency.sources.numbers
        )
        if firsts := self.tenants.note_mail(codes, earliest_us(batch)):
            self._log.add(logs.FIRST_MAIL, orjson.dumps(firsts))
        self._mail_clock.heard(now_s)
        believed_us, name = batch.believed_us, reference_of(batch)
        mail = MailBatch(rows, places, sources, believed_us, batch.heard_us, name)
        changes, kept = apply_mail(latency, mail)
        self.late[MTA.name] += int(np.count_nonzero(rows["late"]))
        self._log.add_rows(kept)
        yield
        if (believed_us > 0).any():
            self.scheduler.begin(int(believed_us[believed_us > 0][0]))
        self.outbox.publish(self.latency.follow(changes))
        self.latency.note_first(firsts, self.clock.now_us(now_s))
        yield
        self.outbox.publish(self.latency.advance(latency.clock_us, latency.heard_us))
        self._age(now_s, idle=False)
        yield
        to_us, reach_us = min(int(believed_us.max()), until_us), self._reach_us(now_s)
        new = Newcomers(self.tenants.names, known, codes, believed_us)
        yield from self._tell(meet_newcomers(self.scheduler, new, to_us, reach_us))
        yield from self._tell(self.scheduler.advance(to_us, reach_us))

    def _apply_facts(self, batches: Sequence[DecodedBatch], now_s: float) -> Iterator[None]:
        found = merged_facts(batches)
        self.scheduler.begin(next((one.clock_us for one in found if one.clock_us > 0), 0))
        reach_us = self._reach_us(now_s)
        for one in found:
            fact = one.fact
            yield from self._tell(self.scheduler.advance(one.clock_us, reach_us))
            # What everybody hears of, facts of the platform and word of sources, is not refused.
            if fact.tenant_id == PLATFORM:
                position(self._log.head)["meets_platform"] = True
            elif isinstance(fact, SourceProgressFact):
                self._progress.say(Progress(fact.of, fact.time, one.heard_us), now_s)
            elif not self._apply_own(one):
                yield
                continue
            if concerns_platform(fact):
                self.outbox.records.append(broadcast_record(fact, one.heard_us))
            yield

    def _apply_own(self, one: Arrived) -> bool:
        """Apply a fact of a tenant; whether it was, since it is new and not refused."""
        fact, line = one.fact, encode_fact(one.fact)
        is_new, refused = land(self.tenants, one, line)
        if refused is not None:
            self.outbox.records.append(refused)
        if not is_new:
            return False
        tenant, since_us = fact.tenant_id, apply_fact(self.tenants, fact)
        self._log.add_fact(fact, line)
        self.outbox.publish(self.scheduler.meet(tenant))
        self._touch(fact, since_us, self.scheduler.is_quiet(tenant, fact))
        if isinstance(fact, EventVoidedFact):
            self._take_out(fact)
        return True

    def _take_out(self, voiding: EventVoidedFact) -> None:
        if (gone := apply_voiding(self.tenants, voiding)) is not None:
            self._touch(*gone)
        turned, rows = self.latency.take_out(voiding)
        self.outbox.publish(turned)
        self._log.add_rows(rows)

    def _touch(self, fact: Fact, since_us: int, quiet: bool = False) -> None:
        """A fact of a tenant has come or gone."""
        tenant = fact.tenant_id
        self.scheduler.touch(tenant, SECTIONS_OF_TOPIC[fact.topic], since_us, quiet)
        if isinstance(fact, EXCLUSIONS):
            self.outbox.publish(self.latency.exclude_again([self.tenants.code(tenant)]))

    def apply_documents(self, batch: RecordBatch, passed: Passed, homes: Homes | None) -> None:
        """Apply contracts or calendars but those passed over; calendars take effect with `hear`."""
        if batch.topic == CALENDARS.name:
            calendars, refused = decode_calendars(batch, passed)
            self.outbox.records += [calendar_record(value) for value, _ in calendars]
        else:
            contracts, refused = decode_contracts(batch, passed, homes)
            for value, contract in contracts:
                self._log.add(logs.CONTRACTS, value)
                self._agree(contract)
        self.outbox.records += refused
        self._done(batch.topic, batch.next_offset)

    def _agree(self, contract: Contract) -> None:
        tenant, known = contract.tenant_id, self.tenants.versions(contract.tenant_id)
        self.tenants.agree(contract)
        self.tenants.exclude(tenant)
        self.outbox.publish(self.latency.judge_again(self.tenants.code(tenant)))
        self.outbox.publish(self.scheduler.meet(tenant))
        # From the first day of any version: the one published again may have had an earlier one.
        first = min(each.effective_from for each in (contract, *known))
        self.scheduler.touch_since(tenant, Month.of(first))
        self.rounds.agree(tenant)

    def _done(self, topic: str, offset: int) -> None:
        self._log.head.offsets[topic] = offset
        self._applied = True

    def hear(self, read: Sequence[Broadcast], now_s: float) -> None:
        """Follow what the shared `Platform` has just read."""
        platform, excluded = self.tenants.platform, False
        for fact, heard_us in ((one, at_us) for one, at_us, _ in read if one is not None):
            moves = fact.tenant_id == PLATFORM and fact.time <= heard_us + SKEW_CAP_US
            # As idle time does: not while own records wait.
            if moves and (self.clock.latest_us <= 0 or not self.clock.waiting):
                self.clock.observe(fact.time, now_s, heard_us)
                self.scheduler.begin(fact.time)
            if isinstance(fact, SourceProgressFact):
                self._progress.say(Progress(fact.of, fact.time, heard_us), now_s)
            if isinstance(fact, EventVoidedFact):
                self._take_out(fact)
            excluded |= platform.excludes(fact)
        if excluded:
            self.tenants.exclude(PLATFORM)
            self.outbox.publish(self.latency.exclude_again(None))
        for topic, instant, come in earliest_changes(read):
            self.scheduler.touch_all(SECTIONS_OF_TOPIC[topic], instant, come)

    def _age(self, now_s: float, idle: bool) -> None:
        """What comes to an age because of what sources have said of their logs."""
        if moved := self._progress.take(now_s, idle):
            self.outbox.publish(self.latency.age(moved))

    def pass_time(self, now_s: float) -> Iterator[None]:
        """Let event time come to where idle time has moved it, and look at what is due."""
        latency = self.tenants.latency
        if self.clock.now_us(now_s) <= 0:
            return
        self._age(now_s, idle=not self.clock.waiting)
        mail_us, heard_us = self._mail_clock.reached_us(now_s)
        if mail_us > latency.clock_us:
            silent = self._silent(heard_us, now_s)
            if moved := [one for one in silent if latency.sources.go_on(one, mail_us)]:
                self.outbox.publish(self.latency.age(moved))
        self.outbox.publish(self.latency.advance(mail_us, heard_us))
        yield from self._tell(self.scheduler.advance(self._now_us(now_s), self._reach_us(now_s)))

    def _silent(self, heard_us: int, now_s: float) -> list[int]:
        found = self.tenants.latency.sources.silent(heard_us, self._reach_us(now_s))
        return [one for one in found if not self._progress.holds_back(one)]

    def _now_us(self, now_s: float) -> int:
        """Event time come to; while records wait, that of the last look."""
        return self.scheduler.position_us if self.clock.waiting else self.clock.now_us(now_s)

    def _tell(self, found: Iterable[Transition | None]) -> Iterator[None]:
        """Publish transitions, with a pause wherever there is none."""
        for one in found:
            if one is None:
                yield
            else:
                self.outbox.publish([one])

    def _reach_us(self, now_s: float) -> int:
        """Event time up to which the platform's events are known, if it ever had any."""
        reached = self.tenants.platform.reached_us(now_s)
        return FOREVER if reached is None else reached

    def due(self, now_s: float) -> bool:
        """Whether a checkpoint would publish or keep anything."""
        return self.urgent or self.dirty or self.rounds.has_news or self._is_due(now_s)

    def _is_due(self, now_s: float) -> bool:
        now_us, latency = self._now_us(now_s), self.tenants.latency
        if now_us <= 0:
            return False
        if self._meets_platform and self.outbox.is_mark_due(now_us):
            return True
        if (at := self.scheduler.next_us(self._reach_us(now_s))) is not None and at <= now_us:
            return True
        mail_us, heard_us = self._mail_clock.reached_us(now_s)
        if mail_us > latency.clock_us:
            at = self.latency.next_us(self._silent(heard_us, now_s), mail_us, heard_us)
        return at is not None and at <= mail_us

    def publish_some(self, most: int = 2**31) -> Iterator[None]:
        """Publish how so many tenants stand, with a pause wherever others may have a turn."""
        if not self.rounds.under_way:
            self.rounds.begin(self._log.head.offsets, self._log.marks())
            self._applied = False
        now_us = max(self.scheduler.position_us, self.clock.latest_us)
        for records in self.rounds.publish(most, now_us):
            self.outbox.records.extend(records)
            yield

    def checkpoint(self, now_s: float, everything: bool = True) -> Checkpoint:
        """What came since the last checkpoint, to be made durable by the caller.

        Present states and windows may wait for one that publishes everything. Only that moves the
        group's offsets on: until then something is still to be published. The head has its own.

        Should the delivery be cut off, the same checkpoint must be delivered again before the
        next one, whose state builds on it.
        """
        deque(self.pass_time(now_s), 0)
        # What is under way first, then a round of its own.
        for _ in range((1 + self.rounds.under_way) * everything):
            deque(self.publish_some(), 0)
        self.outbox.add(self.rounds.present_again())
        if self._meets_platform:
            self.outbox.mark(max(self._now_us(now_s), self.scheduler.position_us))
        # Nothing is looked at behind either of these any more.
        known_us = min(self.scheduler.position_us, self.tenants.latency.clock_us)
        forget_months(self._log, self.tenants, self.states, self.rounds.statuses, known_us)
        forget_messages(self._log, self.tenants.latency, self._most_messages)
        self._log.head.latest_us = self.clock.latest_us
        saved = position(self._log.head)
        saved["received_us"], saved["published"] = self.clock.received_us, self.rounds.marks
        self._log.rewrite(logs.TOLD, self.outbox.told() if self._keeps_feed else [])
        records = write_state(self._log, self.tenants, self.states, self.latency, self.scheduler)
        head, offsets = head_record(self.partition, self._log.head), self.rounds.take_offsets()
        return Checkpoint([*self.outbox.take(), *records], head, offsets, dict(self.positions))
