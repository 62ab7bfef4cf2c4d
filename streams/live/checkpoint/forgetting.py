"""Giving up what can no longer change anything, so that a state is bounded by its open months."""

from typing import Final

import orjson

from mailsla.streams.live.checkpoint import state_log as logs
from mailsla.streams.live.checkpoint.state_log import StateLog
from mailsla.streams.live.evaluate.dirty_sections import oldest_open
from mailsla.streams.live.evaluate.states import IndicatorStates
from mailsla.streams.live.publish.statuses import StatusRecords
from mailsla.streams.live.state.latency import Latency
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.state_log import State
from mailsla.streams.time.calendar import Month, midnight

_OLDEST: Final = "oldest"
"""Where the head keeps the earliest month that was not dropped."""


def forget_messages(log: StateLog, latency: Latency, most: int) -> None:
    """Keep no more than so many messages one by one; of the oldest their sums stay."""
    latencies = log.excess(most)
    if latencies == 0:
        return
    folded, panes = latency.fold(latencies)
    log.add(logs.FOLDED, orjson.dumps(folded))
    log.add(logs.PANES, panes, until_us=latency.clock_us)
    log.forget_rows(latencies)
    # Acceptances of messages in flight stood among what is given up.
    latency.in_flight.save_again()


def forget_again(state: State, tenants: Tenants) -> None:
    """Drop what a former life dropped and its state brings back.

    Its logs are cut off record by record: what is given up may stand in one with what is not.
    """
    if oldest := str(state.head.extra.get(_OLDEST, "")):
        _forget(tenants, Month.parse(oldest))


def _forget(tenants: Tenants, oldest: Month) -> int:
    """Drop what lies before a month; the instant it begins, µs."""
    before_us = midnight(oldest.first, tenants.latency.months.default_contract.zone)
    tenants.forget(before_us, oldest)
    return before_us


def forget_months(
    log: StateLog,
    tenants: Tenants,
    states: IndicatorStates,
    statuses: StatusRecords,
    known_us: int,
) -> None:
    """Drop the months that can no longer change.

    Args:
        log: what the state keeps.
        tenants: their facts, messages and sums.
        states: the states of indicators.
        statuses: what was published of them.
        known_us: event time behind which nothing is looked at any more.

    """
    if known_us <= 0:
        return
    oldest = oldest_open(tenants.month("", known_us))
    if oldest.label <= str(log.head.extra.get(_OLDEST, "")):
        return
    log.head.extra[_OLDEST] = oldest.label
    before_us = _forget(tenants, oldest)
    states.forget(oldest.label)
    statuses.forget(oldest.label)
    log.forget(before_us)
    # What is small and changes often is written anew, and all that was written of it given up.
    latency = tenants.latency
    log.rewrite(logs.LONG_AGO, [orjson.dumps(tenants.long_ago())])
    log.rewrite(logs.STATES, [orjson.dumps(states.take_unsaved(everything=True))])
    log.rewrite(logs.SLOW, [orjson.dumps(latency.slow.take_unsaved(everything=True))])
    log.rewrite(logs.FOLDED, [orjson.dumps(latency.folded())])
    log.rewrite(logs.PUBLISHED, [latency.windows.snapshot_published()])
    latency.in_flight.save_again()
