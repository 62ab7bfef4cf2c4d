"""Small random histories, a kill at a random point: facts and windows are a naive reckoning's."""

import itertools
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.exactness import assert_equal, month_windows
from tests.floods import month_start
from tests.stack import running_stack, wait_for

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(600)]

_MIDNIGHT = datetime(2025, 9, 30, 16, tzinfo=UTC)  # a month begins in Shanghai
_EXAMPLES = itertools.count()

MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "tenant": st.integers(0, 3),
            "message": st.integers(0, 12),
            "inbound": st.booleans(),
            "accepted_s": st.integers(-7200, 7200),
            "latency_s": st.integers(0, 5000),
            "copies": st.integers(1, 3),
        }
    ),
    min_size=1,
    max_size=60,
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("tansu"), "tansu") as stack:
        yield stack


def event(scope, number, one):
    accepted = _MIDNIGHT + timedelta(seconds=one["accepted_s"])
    done = accepted + timedelta(seconds=one["latency_s"])
    tenant = f"{scope}-t{one['tenant']}"
    return {
        "id": f"e{number}",
        "source": f"{scope}-{one['tenant']}",
        "type": "message.delivered" if one["inbound"] else "message.dispatched",
        "tenant_id": tenant,
        "time": done.isoformat(),
        "message_id": f"m{one['message']}",
        "direction": "inbound" if one["inbound"] else "outbound",
        "recipient": "a@example.cn",
        "accepted_at": accepted.isoformat(),
    }


def naive_months(events):
    """(tenant, direction, month) → latencies, s; the earliest event of a message counts."""
    earliest = {}
    for one in events:
        moments = tuple(datetime.fromisoformat(one[name]) for name in ("time", "accepted_at"))
        key = one["tenant_id"], one["direction"], one["message_id"]
        earliest[key] = min(earliest.get(key, moments), moments)
    months = defaultdict(list)
    for (tenant, direction, _), (done, accepted) in earliest.items():
        months[tenant, direction, month_start(accepted)].append((done - accepted).total_seconds())
    return months


@given(messages=MESSAGES, cut=st.floats(0, 1), order=st.randoms(use_true_random=False))
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_facts_and_months_survive_a_kill_at_any_point(stack, messages, cut, order):
    scope = f"p{next(_EXAMPLES)}"
    events = [event(scope, number, one) for number, one in enumerate(messages)]
    records = [
        ("mail.mta", one["tenant_id"].encode(), orjson.dumps(one))
        for one, drawn in zip(events, messages, strict=True)
        for _ in range(drawn["copies"])
    ]
    order.shuffle(records)
    place = int(cut * len(records))
    before = sum(stack.ends("mail.mta").values())
    stack.publish(records[:place])
    killed = [stack.worker(kind, checkpoint_s="0.1") for kind in ("streams", "sinks")]
    if place:
        wait_for(lambda: stack.applied("streams", "mail.mta") > before, what="a commit")
    stack.publish(records[place:])
    for worker in killed:
        worker.kill()
    with stack.workers("streams", "sinks"):
        stack.drain()
    landed = stack.rows(
        "SELECT tenant_id, id FROM mta_events FINAL WHERE startsWith(tenant_id, {scope:String})",
        scope=f"{scope}-",
    )
    assert_equal(set(landed), {(one["tenant_id"], one["id"]) for one in events})
    assert len(landed) == len(events)
    found = {
        # An empty window is one whose only message moved to another month.
        key: (window["count"], window["max_s"])
        for key, window in month_windows(stack, scope).items()
        if window["count"]
    }
    assert_equal(found, {key: (len(some), max(some)) for key, some in naive_months(events).items()})
