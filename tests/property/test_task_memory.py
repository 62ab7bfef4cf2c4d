"""A task that remembers few messages: restarts and forgetting change no month's sums."""

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.schemas.topics import STREAMS_STATE
from mailsla.streams.live.state.platform import Platform
from mailsla.streams.live.task import Task
from mailsla.streams.runtime.checkpoint.state_log import read_state
from mailsla.streams.runtime.faust_app.batches import RecordBatch
from mailsla.streams.time.calendar import Month
from tests.live_run import apply

BROKER_US = 1_793_500_000_000_000  # 31 October 2026
DAY = 86_400


def event(number: int, day: int, second: int, latency: int, type_: str) -> tuple[bytes, bytes]:
    tenant = f"t{number % 2}"
    accepted = f"2026-10-{day:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:00Z"
    done = second + latency
    finished = f"2026-10-{day:02d}T{done // 3600:02d}:{done // 60 % 60:02d}:{done % 60:02d}Z"
    return tenant.encode(), orjson.dumps(
        {
            "id": f"{type_}{number}",
            "source": "mx",
            "type": type_,
            "tenant_id": tenant,
            "time": accepted if type_ == "message.accepted" else finished,
            "accepted_at": accepted,
            "message_id": f"m{number}",
            "recipient": "r",
            "direction": "outbound",
        }
    )


events = st.builds(
    event,
    number=st.integers(0, 60),
    day=st.integers(1, 28),
    second=st.integers(0, 70_000).map(lambda s: s // 60 * 60),
    latency=st.integers(0, 10_000),
    type_=st.sampled_from(["message.dispatched", "message.dispatched", "message.accepted"]),
)


class Run:
    """A task and the state topic it writes, restarted from it at will."""

    def __init__(self, most: int) -> None:
        self.most, self.topic, self.offset = most, {}, 0
        self.task = Task(0, 120_000_000, Platform(), most)

    def apply(self, batch: list[tuple[bytes, bytes]]) -> None:
        offsets = np.arange(self.offset, self.offset + len(batch))
        times = np.full(len(batch), BROKER_US)
        keys, values = [k for k, _ in batch], [v for _, v in batch]
        batch = RecordBatch("mail.mta", 0, offsets, keys, values, times, 1)
        apply(self.task, batch, 0, 0.0)
        self.offset += len(batch)

    def checkpoint(self) -> None:
        made = self.task.checkpoint(0.0)
        for record in [*made.records, made.head]:
            if record.topic != STREAMS_STATE.name:
                continue
            if record.value is None:
                self.topic.pop(record.key, None)
            else:
                self.topic[record.key] = record.value

    def restart(self) -> None:
        self.task = Task(0, 120_000_000, Platform(), self.most)
        self.task.restore(read_state(self.topic), now_s=0.0)

    def sums(self) -> dict[str, list[tuple]]:
        """Per tenant the sums of October, and who is in flight."""
        found: dict[str, list[tuple]] = {}
        latency = self.task.tenants.latency
        for tenant in sorted(self.task.tenants.names):
            code = self.task.tenants.code(tenant)
            slot = latency.months.of_month(code, Month(2026, 10))
            flights = latency.in_flight.flights
            own = flights[flights["series"] // 2 == code]
            found[tenant] = [
                latency.months.totals(slot, counted=True),
                latency.months.totals(slot, counted=False),
                sorted(zip(own["accepted_us"].tolist(), own["age"].tolist(), strict=True)),
            ]
        return found


@given(st.lists(st.lists(events, min_size=1, max_size=12), min_size=1, max_size=8), st.data())
@settings(max_examples=60, deadline=None)
def test_restarts_at_any_checkpoint_change_nothing(batches, data):
    steady, shaken = Run(10_000), Run(10_000)
    for batch in batches:
        for run in (steady, shaken):
            run.apply(batch)
            run.checkpoint()
        if data.draw(st.booleans()):
            shaken.restart()
    assert shaken.sums() == steady.sums()


@given(st.lists(st.lists(events, min_size=1, max_size=12), min_size=1, max_size=8), st.data())
@settings(max_examples=60, deadline=None)
def test_forgetting_old_messages_keeps_their_months(batches, data):
    """Each message comes once here: a repeated one may be counted again once it is forgotten."""
    seen = set()
    steady, forgetful = Run(10_000), Run(5)
    for batch in batches:
        fresh = []
        for key, value in batch:
            fields = orjson.loads(value)
            if fields["message_id"] not in seen:
                seen.add(fields["message_id"])
                fresh.append((key, value))
        if not fresh:
            continue
        for run in (steady, forgetful):
            run.apply(fresh)
            run.checkpoint()
        assert len(forgetful.task.tenants.latency.store) <= 5 + 12
        if data.draw(st.booleans()):
            forgetful.restart()
        if data.draw(st.booleans()):
            for code in range(len(forgetful.task.tenants.names)):
                list(forgetful.task.latency.judge_again(code))
    assert forgetful.sums() == steady.sums()
