"""What a task's state has to hold at a checkpoint; `recovery` reads it back."""

import orjson

from mailsla.streams.live.checkpoint import state_log as logs
from mailsla.streams.live.checkpoint.position import TaskPosition, position
from mailsla.streams.live.checkpoint.state_log import StateLog
from mailsla.streams.live.evaluate.latency.transitions import LatencyEvaluation
from mailsla.streams.live.evaluate.scheduler import Scheduler
from mailsla.streams.live.evaluate.states import IndicatorStates
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.writer import Outgoing


def write_state(
    log: StateLog,
    tenants: Tenants,
    states: IndicatorStates,
    latency: LatencyEvaluation,
    scheduler: Scheduler,
) -> list[Outgoing]:
    """The records of everything that has changed since the last checkpoint; moves the head on."""
    position(log.head).update(position_of(tenants, latency, scheduler))
    log.rewrite(logs.OPEN, open_entries(latency, scheduler))
    if changed := states.take_unsaved():
        log.add(logs.STATES, orjson.dumps(changed))
    if slow := tenants.latency.slow.take_unsaved():
        log.add(logs.SLOW, orjson.dumps(slow))
    if published := tenants.latency.windows.take_published():
        log.add(logs.PUBLISHED, published)
    return log.records(tenants.names, tenants.latency.in_flight.take_unsaved())


def position_of(tenants: Tenants, latency: LatencyEvaluation, scheduler: Scheduler) -> TaskPosition:
    """How far everything has come, for the head."""
    open_since = scheduler.open_since()
    return {
        "heard": tenants.platform.heard,
        "open_since": None if open_since is None else open_since.label,
        "position_us": scheduler.position_us,
        "patient_us": scheduler.patient_us,
        "known_us": latency.known_us,
        "mail_us": tenants.latency.clock_us,
        "heard_us": tenants.latency.heard_us,
        "sources": tenants.latency.sources.export(),
    }


def open_entries(latency: LatencyEvaluation, scheduler: Scheduler) -> list[bytes]:
    """What was touched in the ticks that are not over, for the state."""
    return [orjson.dumps(one) for one in (*latency.position(), *scheduler.stale())]
