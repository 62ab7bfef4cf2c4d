"""Topics that take no records: the worker waits, says which it is and what to do, drops nothing."""

import time

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from mailsla.schemas.topics import DEAD_LETTERS
from mailsla.streams.runtime.kafka.admin import ensure_topics
from tests.faults.test_faults import SMALL_STEPS, publish
from tests.faults.test_outages import RECOVERY_S, SLOW
from tests.floods import MTA
from tests.stack import running_stack, say, wait_for
from tests.undisturbed import assert_all

LETTERS = DEAD_LETTERS.name
AWAY_S = 75.0
"""Longer than a minute, after which it is said again, and than a transaction may take."""

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600), SLOW]


@pytest.fixture
def stack(tmp_path):
    with running_stack(tmp_path, "kafka") as started:
        yield started


@pytest.fixture
def admin(stack):
    client = KafkaAdminClient(bootstrap_servers=stack.settings.kafka)
    yield client
    client.close()


def refuse(stack, admin):
    """No dead letter is so small; the broker's own marks at the end of a transaction are."""
    admin.alter_configs(room_for_letters(200))
    return lambda: admin.alter_configs(room_for_letters(1_048_588))


def delete(stack, admin):
    """There is no topic of dead letters. What it held has landed, and nothing is lost with it."""
    admin.delete_topics([LETTERS])
    return lambda: ensure_topics(stack.settings)


def room_for_letters(size):
    room = {"max.message.bytes": str(size)}
    return [ConfigResource(ConfigResourceType.TOPIC, LETTERS, configs=room)]


@pytest.mark.parametrize("take_away", [refuse, delete])
def test_dead_letters_that_cannot_be_written(stack, admin, take_away):
    with stack.workers("sinks", "streams", **SMALL_STEPS) as (_, live):
        wait_for(lambda: "task " in live.log, what="the worker has a task")
        give_back = take_away(stack, admin)
        before, expected = publish(stack, f"gone-{take_away.__name__}", 20_000)
        wait_for(lambda: LETTERS in live.log, 60, "the topic is named")
        time.sleep(AWAY_S)
        assert stack.applied("streams", MTA) - before < expected.published
        said = live.log
        give_back()
        back = time.monotonic()
        stalled = stack.behind("streams", MTA)
        wait_for(lambda: stack.behind("streams", MTA) < stalled, 60, "the worker goes on")
        took_s = time.monotonic() - back
        stack.drain(300)
        lines = [line for line in said.splitlines() if LETTERS in line]
        say(f"{take_away.__name__}: goes on after {took_s:.1f} s; {len(lines)} lines about it")
        assert took_s < RECOVERY_S
        assert 2 <= len(lines) <= 6
        assert_all(stack, expected)
