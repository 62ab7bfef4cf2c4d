"""What stands still, or cannot be reached: all wait, nothing is dropped, and all of it comes.

Too long for the suite; `make faults SCENARIO=...` runs them.
"""

import os
import signal
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http import HTTPStatus

import pytest

from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port
from mailsla.sinks.schema import install_schema
from tests.faults.test_faults import (
    KILLS,
    MEMORY_BOUND,
    SMALL_STEPS,
    goes_on_s,
    publish,
    reached,
)
from tests.floods import MTA
from tests.stack import peak_bytes, resident_bytes, running_stack, say, wait_for
from tests.undisturbed import assert_all

TENANTS = int(os.environ.get("MAILSLA_TENANTS", "100000"))
AWAY_S = float(os.environ.get("MAILSLA_AWAY_S", "30"))
LINES_AT_MOST = 2 + AWAY_S // 60
"""Of a worker, while a server is away: one when it goes, one a minute."""
ROUTES = """
routes:
  - name: desk
    to: {kind: webhook, url: "http://127.0.0.1:9/"}
    tenants: [nobody]
"""
RECOVERY_S = 15.0
"""Within it a stack goes on once the cause is gone, on a quiet machine."""
SLOW = pytest.mark.skipif("MAILSLA_FAULTS" not in os.environ, reason="make faults runs it")

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600), SLOW]


@pytest.fixture
def stack(tmp_path):
    with running_stack(tmp_path, "kafka") as started:
        install_schema(started.client())  # views too, which the page asks
        yield started


def test_a_clickhouse_that_hangs(stack):
    before, expected = publish(stack, "hung", 40_000)
    with stack.workers("streams", "sinks", **SMALL_STEPS) as (_, sinks):
        reached(stack, "sinks", before, 3_000)
        with stack.clickhouse.held():
            wait_for(lambda: stack.behind("streams", MTA) == 0, 120, "the live worker")
            time.sleep(AWAY_S)
            behind = stack.behind("sinks", MTA)
            assert behind > 0
            assert resident_bytes(sinks.pid) < MEMORY_BOUND
        answers = time.monotonic()
        stack.drain(300)
        say(f"{behind} records behind, all landed {time.monotonic() - answers:.0f} s later")
        assert_all(stack, expected)


@contextmanager
def everybody(stack):
    """A worker of every kind, by kind; the last two have nothing to tell and nothing to close."""
    routes = stack.data / "routes.yaml"
    routes.write_text(ROUTES)
    kinds = ("streams", "sinks", "web", "notify", "closer")
    mine = {"web_port": str(resolve_port(0, "the page")), "notify_routes": str(routes)}
    with stack.workers(*kinds, **SMALL_STEPS, **mine) as workers:
        page = f"http://{LOOPBACK}:{mine['web_port']}/"
        wait_for(lambda: asked(page + "ready") == HTTPStatus.OK, what="the page is there")
        yield {worker.kind: worker for worker in workers}, page


def asked(address):
    """The status of an HTTP answer, None where there is none in time."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def stay_away(page, workers):
    """Let the time pass while somebody looks on; how many lines each worker logs meanwhile."""
    before = {kind: worker.log.count("\n") for kind, worker in workers.items()}
    until = time.monotonic() + AWAY_S
    while (left := until - time.monotonic()) > 0:
        for path in ("", "ready", "platform", "api/overview"):
            asked(page + path)
        time.sleep(min(1.0, left))
    lines = {kind: worker.log.count("\n") - before[kind] for kind, worker in workers.items()}
    assert max(lines.values()) <= LINES_AT_MOST, lines
    return lines


@pytest.mark.parametrize("how", ["silent", "gone"])
def test_a_broker_that_is_away(stack, how):
    before, expected = publish(stack, how, 40_000)
    with everybody(stack) as (workers, page):
        reached(stack, "streams", before, 3_000)
        if how == "silent":
            with stack.broker.held():
                lines = stay_away(page, workers)
        else:
            stack.broker.kill()
            lines = stay_away(page, workers)
            stack.broker.start()
        paused_s = goes_on_s(stack, "streams")
        stack.drain(300)
        for kind in ("streams", "sinks"):
            assert workers[kind].log.count("Kafka is back") == 1
        said = sum(len(worker.log.splitlines()) for worker in workers.values())
        say(
            f"{how} for {AWAY_S:.0f} s: goes on {paused_s:.1f} s after it answers; lines logged "
            f"while away: {lines}; in all, starts too: {said}"
        )
        assert_all(stack, expected)
        assert paused_s < RECOVERY_S


def test_a_clickhouse_that_is_away(stack):
    with everybody(stack) as (workers, page):
        stack.clickhouse.kill()
        _, expected = publish(stack, "away", 80_000)
        lines = stay_away(page, workers)
        told, behind = sum(stack.ends("sla.breaches").values()), stack.behind("sinks", MTA)
        assert told > 0
        assert stack.behind("streams", MTA) == 0
        peaks = {kind: peak_bytes(workers[kind].pid) for kind in ("streams", "sinks")}
        assert max(peaks.values()) < MEMORY_BOUND
        stack.clickhouse.start()
        paused_s, back = goes_on_s(stack, "sinks"), time.monotonic()
        stack.drain(300)
        took_s = time.monotonic() - back
        assert workers["sinks"].log.count("takes rows again") == 1
        say(
            f"away for {AWAY_S:.0f} s: {told} records of the feed meanwhile; peaks of "
            + ", ".join(f"{kind} {peak / 1e6:.0f} MB" for kind, peak in peaks.items())
            + f"; goes on {paused_s:.1f} s after it answers; {behind} records behind, caught up "
            f"at {behind / took_s:,.0f} a second; lines logged while away: {lines}"
        )
        assert_all(stack, expected)
        assert paused_s < RECOVERY_S


def test_clickhouse_killed_again_and_again(stack):
    before, expected = publish(stack, "cut", max(20_000, 5_000 * KILLS))
    pauses = []
    with stack.workers("streams", "sinks", **SMALL_STEPS):
        for number in range(KILLS):
            # Right after a commit: the next inserts are under way.
            reached(stack, "sinks", before, expected.published * (number + 1) // (KILLS + 2))
            stack.clickhouse.kill()
            stack.clickhouse.start()
            pauses.append(goes_on_s(stack, "sinks"))
        stack.drain(300)
    say(f"{KILLS} kills while the sinks land: they go on {max(pauses):.1f} s later at most")
    assert_all(stack, expected)
    assert max(pauses) < RECOVERY_S


def test_a_zombie_that_wakes(stack):
    before, expected = publish(stack, "zombie", 40_000)
    with stack.workers("sinks", "streams", **SMALL_STEPS) as (_, zombie):
        reached(stack, "streams", before, 5_000)
        os.kill(zombie.pid, signal.SIGSTOP)
        with stack.workers("streams", **SMALL_STEPS) as (second,):
            wait_for(lambda: "task " in second.log, 60, "the second worker has a task")
            reached(stack, "streams", before, 10_000)
            os.kill(zombie.pid, signal.SIGCONT)
            stack.drain(300)
        assert_all(stack, expected)
