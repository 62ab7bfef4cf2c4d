"""Processes die in the middle of a flood; afterwards everything is there, once."""

import asyncio
import os
import random
import re
import signal
import threading
import time

import pytest

from mailsla.streams.runtime.checkpoint.writer import TransactionalDelivery
from tests.exactness import assert_facts
from tests.faults.test_feed_kills import flood
from tests.floods import MTA, mixed_flood
from tests.stack import GROUPS, PARTITIONS, resident_bytes, running_stack, say, wait_for
from tests.undisturbed import assert_all, slow_scope

KILLS = int(os.environ.get("MAILSLA_KILLS", "5"))
BROKER_KILLS = int(os.environ.get("MAILSLA_BROKER_KILLS", "1"))
TAKEN = r'mailsla_records_total{topic="mail.mta"} (\d+)'
SLOW_MESSAGES = 4_000
EVENTS = max(30_000, 8_000 * KILLS)
SMALL_STEPS = {"fetch_bytes": "65536", "checkpoint_events": "1000", "checkpoint_s": "0.1"}
"""Many batches and checkpoints, so that a kill meets one half done."""
MEMORY_BOUND = 1_000_000_000

BROKERS = [
    pytest.param("tansu", marks=pytest.mark.embedded),
    pytest.param("kafka", marks=pytest.mark.kafka),
]
pytestmark = pytest.mark.timeout(600)


def shared(fixture_name, config):
    """One stack for all, but where feeds are compared: late mail is told as it was fetched."""
    return "function" if "MAILSLA_FAULTS" in os.environ else "module"


@pytest.fixture(scope=shared, params=BROKERS)
def any_stack(request, tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp(request.param), request.param) as stack:
        yield stack


@pytest.fixture(scope=shared)
def kafka(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("kafka"), "kafka") as stack:
        yield stack


def publish(stack, scope, count=EVENTS, bad_share=0.01):
    """A flood in the topic; ``(records before it, what must come of it)``."""
    before, seed = sum(stack.ends(MTA).values()), random.Random(scope).randrange(1 << 30)
    if "MAILSLA_FAULTS" in os.environ:
        slow = (
            record for record in flood(seed, slow_scope(scope), SLOW_MESSAGES) if record[0] == MTA
        )
        before += stack.publish(slow)
    records, expected = mixed_flood(scope, seed, 12, count, bad_share)
    stack.publish(records)
    return before, expected


def reached(stack, kind, before, count):
    """Wait until a kind of worker has committed so many records of the flood."""
    wait_for(lambda: stack.applied(kind, MTA) >= before + count, 120, f"{kind} at {count}")


def goes_on_s(stack, kind):
    """How long it takes until a kind of worker commits more, or has nothing left to, seconds."""
    since, behind = time.monotonic(), stack.behind(kind, MTA)
    wait_for(lambda: not behind or stack.behind(kind, MTA) < behind, 120, f"{kind} goes on")
    return time.monotonic() - since


def seconds(figures):
    """Some lengths of time, for a figure."""
    return ", ".join(f"{one:.1f}" for one in figures) + " s"


@pytest.mark.parametrize("kind", ["streams", "sinks"])
def test_a_worker_killed_again_and_again(any_stack, kind):
    stack = any_stack
    before, expected = publish(stack, f"kill-{stack.kind}-{kind}")
    chance = random.Random(7)
    moments = sorted(chance.randrange(1, expected.published * 9 // 10) for _ in range(KILLS))
    other = "sinks" if kind == "streams" else "streams"
    with stack.workers(other):
        for moment in moments:
            worker = stack.worker(kind, **SMALL_STEPS)
            reached(stack, kind, before, moment)
            worker.kill()
        with stack.workers(kind):
            stack.drain()
        assert_all(stack, expected, once=stack.kind == "kafka")


@pytest.mark.parametrize("kind", ["streams", "sinks"])
def test_sigterm_in_the_middle_ends_a_worker_cleanly(any_stack, kind):
    stack = any_stack
    before, expected = publish(stack, f"term-{stack.kind}-{kind}", 20_000)
    other = "sinks" if kind == "streams" else "streams"
    with stack.workers(other):
        worker = stack.worker(kind, **SMALL_STEPS)
        reached(stack, kind, before, 5_000)
        told = time.monotonic()
        assert worker.terminate(within_s=10) == 0
        took_s, left = time.monotonic() - told, stack.committed(kind, MTA)
        with stack.workers(kind) as (fresh,):
            stack.drain()
            # No such line where the one before had taken everything.
            found = re.search(TAKEN, fresh.metrics())
            taken = int(found[1]) if found else 0
        again = taken - sum(one.offset >= left[one.partition] for one in stack.read(MTA))
        say(
            f"{stack.kind}, {kind}: ended {took_s:.1f} s after SIGTERM; read again: {again} records"
        )
        assert again == 0
        assert_all(stack, expected)


@pytest.mark.kafka
def test_workers_join_and_leave_during_the_flood(kafka):
    before, expected = publish(kafka, "rebalance", 60_000)
    with kafka.workers("sinks", "streams", **SMALL_STEPS) as (_, first):
        reached(kafka, "streams", before, 8_000)
        with kafka.workers("streams", **SMALL_STEPS) as (second,):
            wait_for(lambda: "task " in second.log, what="the second worker has a task")
            reached(kafka, "streams", before, 25_000)
            assert first.terminate() == 0, first.log[-4_000:]
            reached(kafka, "streams", before, 35_000)
            with kafka.workers("streams", **SMALL_STEPS) as (third,):
                wait_for(lambda: "task " in third.log, what="the third worker has a task")
                second.kill()
                kafka.drain()
        assert_all(kafka, expected)


@pytest.mark.kafka
def test_a_worker_ends_in_order_though_others_have_its_tasks(kafka):
    before, expected = publish(kafka, "overdue", 30_000)
    with kafka.workers("sinks", "streams", **SMALL_STEPS) as (_, late):
        reached(kafka, "streams", before, 5_000)
        os.kill(late.pid, signal.SIGSTOP)
        with kafka.workers("streams") as (second,):
            wait_for(lambda: second.log.count("read back in") == PARTITIONS, 60, "all tasks")
            os.kill(late.pid, signal.SIGTERM)
            os.kill(late.pid, signal.SIGCONT)
            assert late.terminate() == 0, late.log[-4_000:]
            kafka.drain()
        assert_all(kafka, expected)


@pytest.mark.kafka
def test_nobody_waits_for_a_worker_that_starts_itself_again(kafka):
    worker = kafka.worker("streams", session_timeout_s="45")
    wait_for(lambda: worker.log.count("read back in") == PARTITIONS, what="all tasks")
    asyncio.run(fence(kafka.settings))
    _, expected = publish(kafka, "fenced", 2_000)
    wait_for(lambda: "starting again" in worker.log, what="the worker notices")
    wait_for(lambda: worker.log.count("read back in") == 2 * PARTITIONS, 30, "all tasks once more")
    with kafka.workers("sinks"):
        kafka.drain()
    worker.end()
    assert_all(kafka, expected)


async def fence(settings):
    """Take every task over, as another worker would that thinks this one dead."""
    delivery = TransactionalDelivery(settings, GROUPS["streams"])
    for partition in range(PARTITIONS):
        await delivery.claim(str(partition))
    await delivery.close()


@pytest.mark.kafka
def test_the_broker_dies_and_comes_back(kafka):
    before, expected = publish(kafka, "broker", 40_000)
    pauses = []
    with kafka.workers("streams", "sinks", **SMALL_STEPS):
        for number in range(BROKER_KILLS):
            share = expected.published * (number + 1) // (BROKER_KILLS + 3)
            reached(kafka, "streams", before, share)
            kafka.broker.kill()
            kafka.broker.start()
            pauses.append(goes_on_s(kafka, "streams"))
        kafka.drain(240)
        say(f"{BROKER_KILLS} kills: the live worker goes on {seconds(pauses)} after it answers")
        assert_all(kafka, expected)


@pytest.mark.kafka
def test_clickhouse_dies_while_the_live_worker_goes_on(kafka):
    before, expected = publish(kafka, "clickhouse", 60_000)
    with kafka.workers("streams", "sinks", **SMALL_STEPS) as (_, sinks):
        reached(kafka, "sinks", before, 3_000)
        kafka.clickhouse.kill()
        more, later = mixed_flood("meanwhile", 5, 12, 60_000)
        publisher = threading.Thread(target=kafka.publish, args=(more,))
        publisher.start()
        publisher.join()
        wait_for(lambda: kafka.behind("streams", MTA) == 0, 120, "the live worker's end")
        assert kafka.behind("sinks", MTA) > 0
        assert resident_bytes(sinks.pid) < MEMORY_BOUND
        kafka.clickhouse.start()
        kafka.drain()
        assert_all(kafka, expected)
        assert_all(kafka, later)


@pytest.mark.kafka
def test_sigterm_ends_a_sinks_worker_that_waits_for_clickhouse(kafka):
    before, expected = publish(kafka, "stuck", 20_000)
    worker = kafka.worker("sinks", **SMALL_STEPS)
    reached(kafka, "sinks", before, 2_000)
    kafka.clickhouse.kill()
    _, later = publish(kafka, "later-stuck", 5_000)
    wait_for(lambda: "takes no rows" in worker.log, what="the worker notices")
    assert worker.terminate(within_s=15) == 0
    kafka.clickhouse.start()
    with kafka.workers("streams", "sinks"):
        kafka.drain()
    assert_facts(kafka, expected)
    assert_facts(kafka, later)
