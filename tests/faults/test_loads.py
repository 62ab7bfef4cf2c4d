"""Loads that go on, of tenants nobody knows, of one tenant for nearly all of it; large states.

Too long for the suite; `make faults SCENARIO=...` runs them.
"""

import asyncio
import os
import threading
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest

from tests.bench.latency import PROMISE_S, measured
from tests.exactness import assert_equal
from tests.faults.slopes import slope_of
from tests.faults.test_faults import MEMORY_BOUND
from tests.faults.test_outages import RECOVERY_S, SLOW
from tests.faults.test_poison import contract
from tests.floods import MTA
from tests.mta_flood import Flood
from tests.stack import (
    PARTITIONS,
    cpu_seconds,
    descriptors,
    peak_bytes,
    resident_bytes,
    running_stack,
    say,
    wait_for,
)

TENANTS = int(os.environ.get("MAILSLA_TENANTS", "100000"))
INVENTED_PER_S = 1_000
"""While others are watched."""
ROUNDS = int(os.environ.get("MAILSLA_ROUNDS", "3"))
MINUTES = float(os.environ.get("MAILSLA_SOAK_MINUTES", "30"))
CAUGHT_UP = 200_000
"""Events with which is seen what workers sustain."""
SHARE = float(os.environ.get("MAILSLA_SHARE", "0.7"))
"""Of what they sustain, while a load goes on: less where others use the machine too."""
WATCHED_S, WARM_UP_S, TURNS = 15, 5, 3
READ_EVERY_S = 5.0
WAITS = 1.5
"""So many times as long as without the cause others may wait on a machine that is too busy to keep
the promise at all: what is busy is late to all of them alike."""

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(7_200), SLOW]


@pytest.fixture
def stack(tmp_path):
    with running_stack(tmp_path, "kafka") as started:
        yield started


class Sent:
    """What was published, by tenant; the names of all begin alike."""

    def __init__(self, scope):
        self._scope, self.count = scope, Counter()

    def of(self, tenants, count, name, ago_s, lasting_s):
        """So many events from so long ago on, evenly over a time; their name makes them differ."""
        start = datetime.now(UTC) - timedelta(seconds=ago_s)
        flood = Flood(11, tuple(tenants), count, 0.0, start, timedelta(seconds=lasting_s))
        mark = name.encode() + b"-"
        for record in flood.records():
            self.count[record.key.decode()] += 1
            value = record.value.replace(b'"id":"', b'"id":"' + mark, 1)
            value = value.replace(b'"message_id":"', b'"message_id":"' + mark, 1)
            yield record.topic, record.key, value

    def assert_all_counted(self, stack):
        """Every event is a fact, once, and counts in the month windows, once."""
        rows = "FROM {} FINAL WHERE startsWith(tenant_id, {{scope:String}}) {} GROUP BY tenant_id"
        month = "AND family = 'latency' AND window = 'month'"
        facts = "SELECT tenant_id, count() " + rows.format("mta_events", "")
        windows = "SELECT tenant_id, toInt64(sum(count)) " + rows.format("windows", month)
        for query in (facts, windows):
            assert_equal(dict(stack.rows(query, scope=self._scope)), dict(self.count))
        say(
            f"{self.count.total()} events of {len(self.count)} tenants: as many facts, as many in "
            "month windows"
        )


def await_tasks(streams):
    """Return once a live worker that has just been started has all tasks."""
    wait_for(lambda: streams.log.count("read back in") == PARTITIONS, 120, "all tasks")


def await_end(stack, workers, topic, within_s):
    """Return once workers have committed all of a topic."""
    kinds = [worker.kind for worker in workers]
    wait_for(lambda: not any(stack.behind(kind, topic) for kind in kinds), within_s, "the end")


def sustained(stack, workers, sent, tenants):
    """Events a second that workers take in while they are published on the same machine."""
    begun = time.monotonic()
    stack.publish(sent.of(tenants, CAUGHT_UP, "caught-up", 660, 600))
    await_end(stack, workers, MTA, 300)
    rate = CAUGHT_UP / (time.monotonic() - begun)
    say(f"the workers take {rate:,.0f} events/s; the load is {SHARE:.0%} of that")
    return rate


def under_way(stack, records, rate):
    """A thread that publishes records, so many a second."""
    thread = threading.Thread(target=stack.publish, args=(records, rate), daemon=True)
    thread.start()
    return thread


def others_wait(stack):
    """Seconds from event to breach, of tenants that come one after the other."""
    return asyncio.run(measured(stack.settings, WATCHED_S))["sla.breaches"]


def assert_unhurt(with_it, without):
    """Others wait no longer with a cause than without; prints both."""
    quantiles = [(name, *np.quantile(some, (0.5, 0.99))) for name, some in (with_it, without)]
    for name, p50, p99 in quantiles:
        say(f"{name}: event of another → breach p50 {p50:.2f} s, p99 {p99:.2f} s")
    (_, _, p99), (_, _, before) = quantiles
    say(f"p99 is {p99 / before:.2f} times as long, {p99 - before:+.2f} s")
    assert p99 < max(PROMISE_S, WAITS * before)


def invented(numbers):
    """A heartbeat of each of so many tenants that nobody knows, from when it is asked for."""
    event = {"source": "watch", "type": "monitor.heartbeat", "monitor": "m", "interval_s": 60}
    for number in numbers:
        name = f"invented-{number}"
        own = {"id": name, "tenant_id": name, "time": datetime.now(UTC)}
        yield "mail.ops", name.encode(), orjson.dumps(event | own)


def test_invented_tenants(stack):
    watched = min(TENANTS // 2, INVENTED_PER_S * (WATCHED_S + 2 * WARM_UP_S))
    first = range(TENANTS - watched)
    with stack.workers("streams", "sinks") as workers:
        await_tasks(workers[0])
        stack.publish(invented(first))
        # The group moves on only when all of those who have a place have been published, which a
        # busy machine may take minutes for.
        await_end(stack, workers, "mail.ops", 1_800)
        stack.drain()
        before = others_wait(stack)
        more = invented(range(len(first), TENANTS))
        load = under_way(stack, more, INVENTED_PER_S)
        time.sleep(WARM_UP_S)
        meanwhile = others_wait(stack)
        load.join()
        await_end(stack, workers, "mail.ops", 300)
        stack.drain()
        peaks = {worker.kind: peak_bytes(worker.pid) for worker in workers}
        say(f"{TENANTS} tenants: peaks of "
            + ", ".join(f"{kind} {peak / 1e6:.0f} MB" for kind, peak in peaks.items()))  # fmt: skip
        assert_unhurt(
            (f"while {INVENTED_PER_S} tenants a second are invented", meanwhile),
            ("while none are", before),
        )
        # The live worker has four tasks with room for a thousand of them each, a fifth of a MB one.
        assert peaks["streams"] < 1.5 * MEMORY_BOUND
        assert peaks["sinks"] < MEMORY_BOUND
        assert stack.rows("SELECT count() FROM ops_events FINAL") == [(TENANTS,)]
        held_back = TENANTS - PARTITIONS * stack.settings.unknown_tenants
        letters = "SELECT count(), uniqExact(topic, partition, offset) FROM dead_letters FINAL"
        assert stack.rows(letters) == [(held_back, held_back)]
        assert stack.count("sla.dead_letters") == held_back


def test_one_tenant_with_nine_tenths_of_the_load(stack):
    others = [f"shared-{number}" for number in range(20)]
    lopsided = ["shared-giant"] * 9 * len(others) + others
    sent, waits = Sent("shared-"), defaultdict(list)
    with stack.workers("streams", "sinks") as workers:
        await_tasks(workers[0])
        rate = SHARE * sustained(stack, workers, sent, lopsided)
        # By turns, so that a machine that has more to do for a while is slow to both.
        for number in range(TURNS):
            for name, tenants in (("even", others), ("uneven", lopsided)):
                lasting = WATCHED_S + 2 * WARM_UP_S
                records = sent.of(tenants, int(rate * lasting), f"{name}-{number}", 10, lasting)
                load = under_way(stack, records, rate)
                time.sleep(WARM_UP_S)
                cpu_s = cpu_seconds(workers[0].pid)
                found = others_wait(stack)
                cpu_s = cpu_seconds(workers[0].pid) - cpu_s
                load.join()
                stack.drain()
                waits[name] += found
                say(f"{name}: p99 {np.quantile(found, 0.99):.2f} s, worker busy {cpu_s:.1f} s")
        sent.assert_all_counted(stack)
        assert_unhurt(
            ("nine tenths are of one tenant", waits["uneven"]), ("all alike", waits["even"])
        )


def test_a_state_of_ten_thousand_tenants_is_read_back_every_time(stack):
    tenants, took_s = [f"many-{number}" for number in range(10_000)], []
    sent = Sent("many-")
    stack.publish(map(contract, tenants))
    stack.publish(sent.of(tenants, 50_000, "first", 3_660, 3_600))
    with stack.workers("sinks"):
        with stack.workers("streams"):
            wait_for(lambda: stack.behind("streams", MTA) == 0, 300, "the first life")
        for number in range(ROUNDS):
            stack.publish(sent.of(tenants, 200, f"round-{number}", 10, 5))
            begun = time.monotonic()
            worker = stack.worker("streams", session_timeout_s="2")
            await_tasks(worker)
            took_s.append(time.monotonic() - begun)
            wait_for(lambda: stack.behind("streams", MTA) == 0, 60, "what came meanwhile")
            worker.kill() if number % 2 else worker.terminate()
        with stack.workers("streams"):
            stack.drain()
        each = " ".join(f"{one:.1f}" for one in took_s)
        say(f"10,000 tenants read back, seconds from start to all tasks: {each}")
        assert max(took_s) < RECOVERY_S
        sent.assert_all_counted(stack)


def test_a_load_that_goes_on_leaves_no_slope(stack):
    tenants, sent = [f"soaked-{number}" for number in range(24)], Sent("soaked-")
    # So few are remembered one by one that the state is as large as it gets within a minute.
    with stack.workers("streams", "sinks", live_messages="50000") as workers:
        await_tasks(workers[0])
        rate = SHARE * sustained(stack, workers, sent, tenants)
        records = sent.of(tenants, int(rate * 60 * MINUTES), "soaked", 10, 60 * MINUTES)
        readings = watched(stack, workers, under_way(stack, records, rate), rate)
        stack.drain()
        say(f"{rate:,.0f} events/s for {MINUTES:g} minutes")
        slopes = {name: slope_of(name[1], values) for name, values in readings.items()}
        for (kind, _), slope in slopes.items():
            say(f"{kind:<8}{slope}")
        sent.assert_all_counted(stack)
        assert all(slope.holds for slope in slopes.values())


def watched(stack, workers, load, rate):
    """(kind, unit) → seconds and what was read then, while the load was on."""
    found = defaultdict(list)
    while load.is_alive():
        for worker in workers:
            now = time.monotonic()
            found[worker.kind, "MB"].append((now, resident_bytes(worker.pid) / 1e6))
            found[worker.kind, "descriptors"].append((now, descriptors(worker.pid)))
            behind = stack.behind(worker.kind, MTA) / rate
            found[worker.kind, "s behind"].append((now, behind))
        load.join(READ_EVERY_S)
    return found
