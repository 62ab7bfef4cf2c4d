"""Workers of an earlier release are replaced one after the other, under load.

`docs/operations.md`, Upgrades, step by step, as its reader does it: the commands and the workers of
either release are processes of their own. What is there afterwards is compared with a stack of this
release that read the same and that nobody disturbed. Too long for the suite; `make faults
SCENARIO=rolling-upgrade` runs it.
"""

import asyncio
import io
import itertools
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
import pytest

from mailsla.sinks.ddl import FACT_TABLES
from mailsla.streams.simulate.plan import plan
from mailsla.streams.simulate.publish import publish
from tests.exactness import assert_equal, assert_results_landed, dead_letters
from tests.faults.test_outages import SLOW
from tests.floods import MTA
from tests.stack import PROGRAM, Stack, Worker, needs_kafka, running_stack, say, wait_for
from tests.undisturbed import feed

BEFORE = "9e6aa83"
"""What stood as 0.1.0: live state, tables and names of modules are others than today's."""
BEFORE_PROGRAM = "streams.cli.main"
ROOT = Path(__file__).parents[2]
MONTH = "2025-10"
CLOSED = """
SELECT tenant_id, indicator, observed, raw, excluded, verdict, remedy, evidence_count, parts
FROM closing_items WHERE (tenant_id, month, revision) IN (
  SELECT tenant_id, month, max(revision) FROM closings GROUP BY tenant_id, month
)
"""
STATES = f"""
SELECT tenant_id, indicator, state, observed, target FROM status FINAL
WHERE period = '{MONTH}' AND (state != 'ok' OR observed IS NOT NULL)
"""
WINDOW = ("tenant_id", "direction", "window_start")
VALUES = ("count", "mean_s", "max_s", "exceedances", "p50_s", "p95_s", "p99_s")
TENANTS, MESSAGES = 14, 20_000
READ_BEFORE = 6_000
"""Records that the earlier release has read, and closed the month by, before it is replaced."""
RATE = 300.0
"""Records a second that the earlier release is given; it does not read topics in step."""

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600), SLOW]


class Release:
    """Commands and workers of one release against a stack."""

    def __init__(self, stack, program=PROGRAM, **variables):
        self._stack, self._program = stack, program
        self._variables = {**stack.variables, "MAILSLA_SESSION_TIMEOUT_S": "6", **variables}
        self._numbers = itertools.count()

    def run(self, *arguments, fails=False):
        """Whether a command ends well: it must, or may fail at what it checks."""
        ended = subprocess.run(
            [sys.executable, "-m", self._program, *arguments],
            env={**os.environ, **self._variables},
            capture_output=True,
            text=True,
            timeout=600,
        )
        allowed = (0, 1) if fails else (0,)
        assert ended.returncode in allowed, (
            arguments,
            ended.stdout[-2_000:],
            ended.stderr[-2_000:],
        )
        return ended.returncode == 0

    @contextmanager
    def worker(self, kind):
        """One of its workers, ended on exit."""
        name = f"{self._program}-{next(self._numbers)}"
        worker = Worker(kind, name, self._stack.logs, self._variables, self._program)
        try:
            yield worker
        finally:
            worker.end()


@pytest.fixture
def former(tmp_path):
    """The earlier release's code, out of the history."""
    packed = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip(
            f"the history does not reach back to {BEFORE}: {packed.stderr.decode().strip()}"
        )
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tmp_path / "former", filter="data")
    return tmp_path / "former"


class Load:
    """Records of a simulated month."""

    def __init__(self, settings):
        self._settings = settings
        self.plan = plan(5, TENANTS, MONTH, MESSAGES)
        self._records = self.plan.records()
        self._over = threading.Event()

    def publish(self, count=None, rate=None):
        """So many records, or all that are left, at a rate or at once."""
        self._publish(itertools.islice(self._records, count), rate)

    @contextmanager
    def going_on(self):
        """Records come at a rate meanwhile; on exit all of them are there."""
        thread = threading.Thread(target=self._go_on)
        thread.start()
        try:
            yield
            assert thread.is_alive(), "the load was over before the workers were replaced"
        finally:
            self._over.set()
            thread.join()
        self.publish()

    def _go_on(self):
        turns = itertools.takewhile(lambda _: not self._over.is_set(), itertools.count())
        self._publish((next(self._records) for _ in turns), RATE)

    def _publish(self, records, rate):
        asyncio.run(publish(self._settings, records, rate, lambda count: None))


def test_workers_are_replaced_one_after_the_other_under_load(tmp_path, former):
    needs_kafka()
    stack = Stack(tmp_path / "upgraded", "kafka")
    try:
        stack.start_servers()
        load = upgrade(stack, former)
        upgraded = Outcome(stack, load.plan.truth)
    finally:
        stack.stop()
    with running_stack(tmp_path / "undisturbed", "kafka") as other:
        load, release = Load(other.settings), Release(other)
        release.run("migrate")
        load.publish()
        with release.worker("sinks"), release.worker("streams"):
            settle(release)
            release.run("close", MONTH)
            undisturbed = Outcome(other, load.plan.truth)
    upgraded.assert_as(undisturbed)


def upgrade(stack, former):
    """From an empty stack of the earlier release to one of this, the load published; the load."""
    old = Release(stack, BEFORE_PROGRAM, PYTHONPATH=str(former), PYTHONSAFEPATH="1")
    new, load = Release(stack), Load(stack.settings)
    with ExitStack() as running:
        old.run("topics")
        old.run("migrate")
        kinds = ("sinks", "streams", "streams")
        workers = [running.enter_context(old.worker(kind)) for kind in kinds]
        load.publish(READ_BEFORE, RATE)
        old.run("drain")
        old.run("close", MONTH)
        begun = time.monotonic()
        with load.going_on():
            new.run("topics")
            new.run("migrate")
            for former_worker in workers:
                assert former_worker.terminate() == 0
                fresh = running.enter_context(new.worker(former_worker.kind))
                await_work(stack, fresh)
        say(f"three workers replaced within {time.monotonic() - begun:.0f} s")
        settle(new)
        new.run("close", MONTH, "--verify")
        new.run("close", MONTH)
        new.run("close", MONTH, "--verify")
        new.run("doctor")
    return load


def await_work(stack, worker):
    """Return once a worker has tasks and commits what it reads."""
    if worker.kind == "streams":
        wait_for(lambda: "read back in" in worker.log, 120, "the new worker's tasks")
    applied = stack.applied(worker.kind, MTA)
    wait_for(lambda: stack.applied(worker.kind, MTA) > applied + RATE, 120, "new commits")


def settle(release):
    """Return once live results and what is worked out of the landed facts are the same."""
    release.run("drain")
    wait_for(lambda: release.run("audit", MONTH, fails=True), 120, "live results as recomputed")


class Outcome:
    """What a stack holds in the end, read once it is settled and before it stops.

    Facts, dead letters, landed results and the numbers of the feed are held against what was
    published, here; figures, states and windows against another stack's, by `assert_as`.
    """

    def __init__(self, stack, truth):
        self.facts = {
            topic: Counter(stack.rows(f"SELECT tenant_id, source, id FROM {table} FINAL"))
            for topic, table in FACT_TABLES.items()
        }
        self.letters = Counter(letter["value"] for letter in dead_letters(stack))
        wanted = {topic: truth.events.get(topic, 0) for topic in FACT_TABLES}
        assert {topic: facts.total() for topic, facts in self.facts.items()} == wanted
        assert self.letters.total() == sum(truth.bad.values())
        assert_results_landed(stack, "tenant")
        self.windows = {
            tuple(one[name] for name in WINDOW): tuple(one[name] for name in VALUES)
            for one in (orjson.loads(record.value) for record in stack.read("sla.windows"))
            if (one["family"], one["window"]) == ("latency", "month")
        }
        # The release before also tells of what nothing is known of.
        self.states = set(stack.rows(STATES))
        self.closed = set(stack.rows(CLOSED))
        told = feed([orjson.loads(record.value) for record in stack.read("sla.breaches")])
        assert_equal({row[0] for row in stack.rows("SELECT id FROM breaches FINAL")}, set(told))
        say(
            f"{sum(wanted.values())} facts, {self.letters.total()} dead letters, "
            f"{len(self.windows)} month windows, {len(self.states)} states, {len(told)} events of "
            "the feed: lost 0, doubled 0, numbered 1 to n"
        )

    def assert_as(self, other):
        """Both hold the same, but for what the feed told on the way there."""
        for topic, facts in self.facts.items():
            assert_equal(facts, other.facts[topic])
        assert_equal(self.letters, other.letters)
        assert_equal(self.windows, other.windows)
        assert_equal(self.states, other.states)
        assert_equal(self.closed, other.closed)
