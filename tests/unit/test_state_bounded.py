"""The state of a partition is bounded by the open months, and so is what a restart reads."""

from itertools import islice

import pytest

from mailsla.schemas.topics import EVENT_TOPICS, PROBE
from mailsla.streams.clauses.registry import reach_of_topic
from mailsla.streams.simulate.plan import plan
from mailsla.streams.time.calendar import DAY
from tests.live_run import LiveRun

MONTHS = ("2026-03", "2026-04", "2026-05", "2026-06", "2026-07")
TENANTS, MESSAGES, CUT = 2, 200, 400
EVERY_PROBE = 60
MONTH = 31 * DAY


def records_of(number, month):
    """A month of everything, of its probes one of some."""
    probes = 0
    for record in plan(number, TENANTS, month, MESSAGES).records():
        probes += record.topic == PROBE.name
        if record.topic != PROBE.name or probes % EVERY_PROBE == 0:
            yield record.topic, record.key, record.value


def size_of(state):
    """Bytes of everything but the topics of which contracts look back further than a month."""
    long = tuple(f"facts/{topic.name}/".encode() for topic in EVENT_TOPICS if reach(topic) > MONTH)
    return sum(len(value) for key, value in state.items() if not key.startswith(long))


def reach(topic):
    return reach_of_topic(topic.name)


def test_after_the_open_months_the_state_grows_no_more():
    run, kept, messages = LiveRun(), [], []
    for number, month in enumerate(MONTHS):
        records = records_of(number, month)
        while piece := list(islice(records, CUT)):
            run.feed([record for record in piece if record[1] is not None])
            run.checkpoint()
            run.hear()
        kept.append(size_of(run._state))
        messages.append(len(run.task.tenants.latency.store))
    assert kept[1] > 1.5 * kept[0]  # two months are open
    assert kept[-1] == pytest.approx(kept[2], rel=0.15)
    assert messages[-1] == pytest.approx(messages[2], rel=0.25)
    run.restart()
    assert len(run.task.tenants.latency.store) == messages[-1]
