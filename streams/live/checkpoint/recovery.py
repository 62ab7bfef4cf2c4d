"""What a former life of a task kept, taken up again."""

from collections.abc import Iterator
from itertools import compress

import numpy as np
import orjson

from mailsla.schemas.codec.records import decode_contract
from mailsla.schemas.contract import Contract
from mailsla.schemas.facts.lines import decode_fact, encode_fact
from mailsla.schemas.facts.ops import EventVoidedFact
from mailsla.schemas.topics import OPS
from mailsla.streams.clauses.invalidation import changed_since
from mailsla.streams.latency.flights import without_direction
from mailsla.streams.latency.messages import ACCEPTED, LATENCY, ROW, Rows, tenant_of
from mailsla.streams.latency.messages import VOIDED as VOIDED_ROW
from mailsla.streams.latency.row_index import Mask
from mailsla.streams.live.checkpoint import state_log as logs
from mailsla.streams.live.checkpoint.position import position
from mailsla.streams.live.evaluate.dirty_sections import SECTIONS_OF_TOPIC
from mailsla.streams.live.evaluate.latency.transitions import LatencyEvaluation
from mailsla.streams.live.evaluate.scheduler import Scheduler
from mailsla.streams.live.evaluate.states import IndicatorStates, Transition
from mailsla.streams.live.publish.rounds import Rounds
from mailsla.streams.live.state.landed import voided_by
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.state_log import ROWS, State


def restore_entries(state: State, tenants: Tenants, states: IndicatorStates) -> None:
    """Everything but messages and positions: whose they are is known only with the rest."""
    for name in state.of(logs.TENANTS):
        tenants.code(name.decode())
    for document in state.of(logs.CONTRACTS):
        contract = decode_contract(document)
        if isinstance(contract, Contract):
            tenants.agree(contract)
    for log in state.entries:
        if log.startswith(logs.FACTS):
            for entry in state.of(log):
                fact = decode_fact(entry)
                # Written anew: an earlier release's line says the same in other bytes.
                if tenants.landed.take(fact, encode_fact(fact)).is_new:
                    tenants.observe(fact)
    for entry in state.of(logs.LONG_AGO):
        for code, long_ago in orjson.loads(entry):
            tenants.remember(code, long_ago)
    for entry in state.of(logs.FIRST_MAIL):
        codes, times = zip(*orjson.loads(entry), strict=True)
        tenants.note_mail(np.array(codes), np.array(times))
    for entry in state.of(logs.STATES):
        states.restore(orjson.loads(entry))
    _restore_latency(state, tenants)


def _restore_latency(state: State, tenants: Tenants) -> None:
    latency = tenants.latency
    for entry in state.of(logs.SLOW):
        for one in orjson.loads(entry):
            latency.slow.add(tuple(one), saved=True)
    for entry in state.of(logs.FOLDED):
        latency.unfold(orjson.loads(entry), b"")
    # The windows that were published say which panes still matter, so they come first.
    for published in state.of(logs.PUBLISHED):
        latency.windows.restore_published(published)
    for panes in state.of(logs.PANES):
        latency.unfold((), panes)


def restore_messages(state: State, tenants: Tenants) -> None:
    """Sources and messages, once facts and contracts are known."""
    saved = position(state.head)
    latency = tenants.latency
    latency.sources.restore(saved.get("sources", ()))
    latency.clock_us = saved.get("mail_us", 0)
    latency.heard_us = saved.get("heard_us", 0)
    rows = np.concatenate([np.empty(0, dtype=ROW), *(rows for _, rows, _ in state.rows)])
    names = [name for _, _, names in state.rows for name in names]
    counts = _not_voided(rows)
    named = counts[rows["kind"] == ACCEPTED].tolist()
    tenants.restore(rows[counts], list(compress(names, named)))


def _not_voided(rows: Rows) -> Mask:
    """Which rows count: none from before its message was voided."""
    voided = np.flatnonzero(rows["kind"] == VOIDED_ROW)
    counts: Mask = rows["kind"] != VOIDED_ROW
    if len(voided) == 0:
        return counts
    keys = without_direction(rows)
    for place in voided.tolist():
        before = rows[:place]
        gone = (before["kind"] == LATENCY) & (before["key"] == rows["key"][place])
        gone |= (before["kind"] == ACCEPTED) & (keys[:place] == keys[place])
        counts[:place] &= ~gone
    return counts


def received_us(state: State) -> int:
    """When the last record came that moved event time, by the broker's clock; 0 where none had."""
    saved = position(state.head)
    return int(saved.get("received_us", 0))


def resume(
    state: State, tenants: Tenants, latency: LatencyEvaluation, scheduler: Scheduler
) -> None:
    """Go on where `writing.position_of` says that a former life was."""
    saved = position(state.head)
    scheduler.position_us = saved.get("position_us", 0)
    scheduler.patient_us = saved.get("patient_us", 0)
    latency.known_us = saved.get("known_us", 0)
    for tenant in tenants.names:
        # Nobody is in a group yet, so that nothing is found on the way.
        list(scheduler.meet(tenant))
    open_tick, means, *stale = [orjson.loads(entry) for entry in state.of(logs.OPEN)] or (0, [])
    scheduler.resume(saved.get("open_since"), stale)
    latency.resume(open_tick, [(code, label, way) for code, label, way in means])
    # What was broadcast after the last checkpoint is known already, but not looked at.
    for topic, instant, come in tenants.platform.changes_after(saved.get("heard", 0)):
        scheduler.touch_all(SECTIONS_OF_TOPIC[topic], instant, come)
    for voiding in unheard_voidings(state, tenants):
        _touch_voided(voiding, tenants, scheduler)


def unheard_voidings(state: State, tenants: Tenants) -> list[EventVoidedFact]:
    """Every ``event.voided`` broadcast after the last checkpoint whose event counted by then.

    A task that meets a voiding in its own log takes the event out at once, before it hears of it:
    were that done once more, word of the past would wait anew.
    """
    heard = position(state.head).get("heard", 0)
    if not (unheard := list(tenants.platform.voidings(heard))):
        return []
    own = map(decode_fact, state.of(f"{logs.FACTS}{OPS.name}"))
    taken = {voided_by(fact) for fact in own if isinstance(fact, EventVoidedFact)}
    taken |= {voided_by(fact) for fact in tenants.platform.voidings(end=heard)}
    return [one for one in unheard if voided_by(one) not in taken]


def _touch_voided(
    voiding: EventVoidedFact, tenants: Tenants, scheduler: Scheduler, quiet: bool = False
) -> None:
    if (gone := tenants.landed.find(voiding)) is not None:
        since_us = changed_since(gone, lambda: tenants.scope(gone.tenant_id))
        scheduler.touch(gone.tenant_id, SECTIONS_OF_TOPIC[gone.topic], since_us, quiet)


def mark_unpublished(
    state: State,
    tenants: Tenants,
    latency: LatencyEvaluation,
    scheduler: Scheduler,
    rounds: Rounds,
) -> dict[str, int]:
    """What was applied since the last round began is to be published by the next one.

    Args:
        state: what a former life kept, restored by now.
        tenants: of the task.
        latency: how section 2 stands.
        scheduler: how the others do.
        rounds: of the task; take back what contracts leave out and what of mail was voided.

    Returns:
        Log of the state → the number of its first record that has not been published.

    """
    marks = dict(position(state.head).get("published", {}))
    for number, entries in state.entries.get(logs.CONTRACTS, ()):
        if number >= marks.get(logs.CONTRACTS, 0):
            for contract in map(decode_contract, entries):
                if isinstance(contract, Contract):
                    rounds.take_back(contract.tenant_id)
    for rows in (rows for number, rows, _ in state.rows if number >= marks.get(ROWS, 0)):
        latency.mark_dirty(np.unique(tenant_of(rows["series"])).tolist())
        voided = rows["series"][rows["kind"] == VOIDED_ROW]
        for code in np.unique(tenant_of(voided)).tolist():
            rounds.take_mail_back(tenants.names[code])
    for log, records in state.entries.items():
        for number, entries in records:
            if log.startswith(logs.FACTS) and number >= marks.get(log, 0):
                for entry in entries:
                    fact = decode_fact(entry)
                    sections = SECTIONS_OF_TOPIC[fact.topic]
                    scheduler.touch(fact.tenant_id, sections, fact.time, quiet=True)
                    if isinstance(fact, EventVoidedFact):
                        _touch_voided(fact, tenants, scheduler, quiet=True)
    return marks


def look_again(
    state: State, tenants: Tenants, latency: LatencyEvaluation, scheduler: Scheduler
) -> Iterator[Transition]:
    """Judge everything of a state that was carried over, as this release reads it.

    And all mail where the platform's exclusions are no longer those that the state was judged by.
    """
    saved = position(state.head)
    anew = saved.pop("anew", False)
    mail_anew = anew or tenants.platform.excludes_after(saved.get("heard", 0))
    for tenant in tenants.names:
        if mail_anew:
            yield from latency.look_again(tenants.code(tenant))
        if anew and (first_us := tenants.first_us(tenant)) is not None:
            scheduler.touch_since(tenant, tenants.months(tenant, first_us)[0])
