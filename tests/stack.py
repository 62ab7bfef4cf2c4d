"""A stack of real processes for the tests: any of them may be killed and started again.

Broker and ClickHouse keep their ports and their data directories over restarts; workers are
``mailsla worker`` processes, each logging to a file of its own.
"""

import asyncio
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from mailsla.schemas import compiled
from mailsla.sinks.clickhouse import connect
from mailsla.sinks.embedded.brokers.broker import is_broker_ready, make_broker
from mailsla.sinks.embedded.brokers.kafka_jars import cache_directory
from mailsla.sinks.embedded.children import Child, Running
from mailsla.sinks.embedded.clickhouse.server import is_serving
from mailsla.sinks.embedded.credentials import OPERATOR, ensure_credentials
from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port
from mailsla.sinks.migrations import migrate
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.runtime.kafka.admin import ensure_topics
from mailsla.streams.runtime.kafka.drain import drain
from mailsla.streams.runtime.kafka.offsets import observing
from mailsla.streams.settings import ConfigurationError, Settings
from tests.topic_records import PARTITIONS, count, publish, read

PROGRAM = "mailsla.streams.cli.main"
GROUPS = {"streams": "mailsla-streams", "sinks": "mailsla-sinks"}
FIGURE = "figure: "


def needs_kafka():
    """Skip without Java or Maven's artifacts; fail where everything has to be there."""
    jars = cache_directory().is_dir()
    missing = [t for t in ("java", "mvn") if shutil.which(t) is None and not (t == "mvn" and jars)]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"Apache Kafka needs {' and '.join(missing)}")


def needs_program(name):
    """Skip without a program that `make test-packages` installs; fail where it has to be there."""
    if shutil.which(name) is None:
        sentence = f"{name} is missing; make test-packages installs it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(sentence)


def needs_compiled():
    """Skip where the project was built without a C compiler; fail where it has to be there."""
    if compiled.texts is None:
        sentence = "the fast path is not compiled; install a C compiler and run make again"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(sentence)


def wait_for(condition, within_s=60.0, what="the condition"):
    """Return once the condition holds."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true within {within_s:.0f} s"
        time.sleep(0.02)
    return found


def say(figure):
    """A figure of a scenario, for whoever runs it by itself."""
    print(f"\n{FIGURE}{figure}")


def resident_bytes(pid):
    """Memory a process holds."""
    with open(f"/proc/{pid}/statm") as source:
        return int(source.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_bytes(pid):
    """Most memory a process has held since it, or its program, was started."""
    with open(f"/proc/{pid}/status") as source:
        line = next(line for line in source if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def descriptors(pid):
    """Files and connections a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pid):
    """Processor time a process has used, user and system."""
    with open(f"/proc/{pid}/stat") as source:
        fields = source.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Service:
    """The broker or ClickHouse: started, killed and started again in the same place."""

    def __init__(self, name, argv, ready, logs, within_s):
        self._argv, self._ready, self._logs = argv, ready, logs
        self._name, self._within_s = name, within_s
        self._running = None

    def start(self):
        """Start and wait until it answers."""
        self.launch()
        self.await_ready()

    def launch(self):
        """Start, and wait for nothing."""
        self._running = Running(Child(self._name, self._argv()), self._logs)

    def await_ready(self):
        """Wait until it answers."""
        wait_for(lambda: self._running.has_ended() or self._ready(), self._within_s, self._name)
        assert not self._running.has_ended(), self._running.last_lines()

    def kill(self):
        """End it as a power cut would."""
        if self._running is not None and not self._running.has_ended():
            os.killpg(self._running.pid, signal.SIGKILL)
            self._running.process.wait()

    @property
    def pid(self):
        """The process."""
        return self._running.pid

    def has_ended(self):
        """Whether it has ended by itself."""
        return self._running.has_ended()

    def terminate(self):
        """End it in order."""
        self._running.process.terminate()
        self._running.process.wait(60)

    @contextmanager
    def held(self):
        """It answers nothing inside, as behind a dead network."""
        os.killpg(self._running.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._running.pid, signal.SIGCONT)


class Worker:
    """One ``mailsla worker`` process."""

    def __init__(self, kind, number, logs, env, module=PROGRAM):
        self.kind = kind
        argv = (sys.executable, "-m", module, "worker", kind)
        self._running = Running(Child(f"{kind}-{number}", argv, env), logs)

    @property
    def pid(self):
        """The process, which stays the same when the worker restarts itself."""
        return self._running.pid

    @property
    def log(self):
        """Everything it has logged."""
        return self._running.log.read_text(errors="replace")

    def metrics(self):
        """Its metrics as they are now, as text."""
        told = r"metrics and health at (\S+)"
        wait_for(lambda: re.search(told, self.log), what=f"the {self.kind} worker's metrics")
        address = re.search(told, self.log)[1]
        with urllib.request.urlopen(f"{address}/metrics") as answer:
            return answer.read().decode()

    def is_running(self):
        """Whether the process is there."""
        return not self._running.has_ended()

    def kill(self):
        """SIGKILL, and gone."""
        os.kill(self.pid, signal.SIGKILL)
        self._running.process.wait()

    def terminate(self, within_s=30):
        """SIGTERM; the exit code."""
        self._running.process.send_signal(signal.SIGTERM)
        try:
            return self._running.process.wait(within_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the {self.kind} worker did not end within {within_s} s of SIGTERM")

    def end(self):
        """Whatever its state, end it."""
        self._running.child = Child(self.kind, (), stop_signal=signal.SIGKILL)
        self._running.stop()


class Stack:
    """Broker, ClickHouse, and any number of workers."""

    replication = 1

    def __init__(self, data, broker):
        self.data, self.kind = Path(data), broker
        self.logs = self.data / "logs"
        self.kafka_port = resolve_port(0, "the broker")
        self._http, self._native = resolve_port(0, "HTTP"), resolve_port(0, "native")
        made = make_broker(broker)
        self.broker = Service(
            "broker",
            lambda: made.prepare(self.data, self.kafka_port),
            lambda: is_broker_ready(self.kafka_port),
            self.logs,
            made.ready_within_s,
        )
        self.clickhouse = Service(
            "clickhouse", self._clickhouse_argv, lambda: is_serving(self._http), self.logs, 60
        )
        self._numbers = itertools.count()
        self._workers = []

    def _clickhouse_argv(self):
        module = (sys.executable, "-m", "mailsla.sinks.embedded.clickhouse.server")
        places = ("--data", str(self.data / "clickhouse"), "--http-port", str(self._http))
        return (*module, *places, "--tcp-port", str(self._native))

    @property
    def servers(self):
        """Where clients find the broker."""
        return f"{LOOPBACK}:{self.kafka_port}"

    @cached_property
    def settings(self):
        """Configuration of everything that talks to this stack."""
        return Settings(
            kafka=self.servers,
            clickhouse=f"http://{LOOPBACK}:{self._http}",
            clickhouse_user=OPERATOR,
            clickhouse_password=ensure_credentials(self.data / "clickhouse")[OPERATOR],
            partitions=PARTITIONS,
            replication=self.replication,
            session_timeout_s=6.0,
        )

    @property
    def variables(self):
        """How a command or a worker finds this stack."""
        return {
            "MAILSLA_KAFKA": self.settings.kafka,
            "MAILSLA_CLICKHOUSE": self.settings.clickhouse,
            "MAILSLA_CLICKHOUSE_USER": self.settings.clickhouse_user,
            "MAILSLA_CLICKHOUSE_PASSWORD": self.settings.clickhouse_password.get_secret_value(),
        }

    def start(self):
        """Broker, ClickHouse, topics and tables."""
        self.start_servers()
        ensure_topics(self.settings)
        migrate(self.client())
        return self

    def start_servers(self):
        """Broker and ClickHouse, both empty."""
        self.broker.start()
        self.clickhouse.start()

    def stop(self):
        """Everything gone."""
        for worker in self._workers:
            worker.end()
        self.clickhouse.kill()
        self.broker.kill()

    def worker(self, kind, **env):
        """Start one more worker; ``env`` are settings, such as ``checkpoint_s="0.2"``."""
        variables = {
            **self.variables,
            "MAILSLA_SESSION_TIMEOUT_S": "6",
            **{f"MAILSLA_{name.upper()}": value for name, value in env.items()},
        }
        self._workers.append(Worker(kind, next(self._numbers), self.logs, variables))
        return self._workers[-1]

    @contextmanager
    def workers(self, *kinds, **env):
        """Workers of the kinds named, ended on exit."""
        started = [self.worker(kind, **env) for kind in kinds]
        try:
            yield started
        finally:
            for worker in started:
                worker.end()

    def client(self):
        """A ClickHouse client that may do anything."""
        return connect(clickhouse_settings(self.settings))

    def rows(self, query, **parameters):
        """The result rows of one query."""
        return self.client().query(query, parameters=parameters).result_rows

    def publish(self, records, rate=None):
        """Publish ``(topic, key, value)`` in order and once, as fast as the broker takes them, or
        so many a second.
        """
        once = self.kind == "kafka"
        return asyncio.run(publish(self.settings, records, idempotent=once, rate=rate))

    def drain(self, timeout_s=180.0):
        """Wait until both groups have processed everything."""
        drain(self.settings, timeout_s, lambda lag: None)

    def behind(self, kind, topic):
        """Records of a topic that a kind of worker has still to commit.

        Asked again while a broker starts or leaders change, when nobody can tell for a moment.
        """
        while True:
            with suppress(KafkaError, ConfigurationError), observing(self.settings) as log:
                ends = log.ends([topic])
                behind = log.behind(GROUPS[kind], ends)
                log.leave_out_markers(behind, ends, list(behind))
                return sum(behind.values())

    def committed(self, kind, topic):
        """Partition → the offset at which a kind of worker goes on."""
        with observing(self.settings) as log:
            ends = log.ends([topic])
            behind = log.behind(GROUPS[kind], ends)
        return {place[1]: end - behind.get(place, 0) for place, end in ends.items()}

    def applied(self, kind, topic):
        """Records of a topic that a kind of worker has committed."""
        return sum(self.ends(topic).values()) - self.behind(kind, topic)

    def ends(self, topic):
        """End offset of each partition."""
        consumer = KafkaConsumer(bootstrap_servers=self.settings.kafka)
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        found = consumer.end_offsets(places)
        consumer.close()
        return {place.partition: end for place, end in found.items()}

    def read(self, topic):
        """Every committed record of a topic, in offset order within each partition."""
        return asyncio.run(asyncio.wait_for(read(self.settings, topic), 120))

    def count(self, topic):
        """How many there are."""
        return asyncio.run(asyncio.wait_for(count(self.settings, topic), 600))


@contextmanager
def running_stack(data, broker):
    """A started stack; everything is gone on exit."""
    if broker == "kafka":
        needs_kafka()
    stack = Stack(data, broker)
    try:
        yield stack.start()
    finally:
        stack.stop()
