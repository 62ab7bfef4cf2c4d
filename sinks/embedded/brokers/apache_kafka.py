"""Apache Kafka itself: one KRaft node (broker and controller) on loopback.

Traps: the storage directory must be formatted once, with a cluster id; a half-formatted one
(killed in between) has no ``meta.properties`` and is formatted again. The quorum is given as
static voters, so the controller's port may change between runs on the same data. Internal topics
default to three replicas and would never appear on one node. A clean SIGTERM ends the JVM with
exit code 143.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from mailsla.sinks.embedded.brokers.kafka_jars import kafka_jars
from mailsla.sinks.embedded.errors import StackError
from mailsla.sinks.embedded.leash import leashed
from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port

_MINIMUM_JAVA = 17
_FORMAT_WITHIN_S = 60.0
_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Xshare:auto")
ONE_NODE = """auto.create.topics.enable=false
num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""
"""Properties of a broker that is alone, and in no hurry to rebalance."""
NODE = """process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={home}/log
"""
"""Properties of a broker that is a controller too: who it is, among whom, and where it listens."""
LOG4J = """Configuration:
  status: WARN
  Appenders:
    Console: {name: STDOUT, target: SYSTEM_OUT, PatternLayout: {pattern: "%d %p %m (%c)%n"}}
  Loggers:
    Root: {level: WARN, AppenderRef: [{ref: STDOUT}]}
"""
"""What a broker logs."""


class ApacheKafka:
    """The durable broker with transactions; needs Java 17."""

    name = "Apache Kafka"
    ready_within_s = 90.0

    def prepare(self, data: Path, port: int) -> Sequence[str]:
        """Resolve the jars, write the configuration, format the storage on first use."""
        java = find_java()
        classpath = f"{kafka_jars()}/*"
        home = data / "kafka"
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings, log4j = home / "server.properties", home / "log4j2.yaml"
        controller_port = resolve_port(0, "the Kafka controller")
        node = NODE.format(
            node=1,
            voters=f"1@{LOOPBACK}:{controller_port}",
            host=LOOPBACK,
            port=port,
            controller_port=controller_port,
            home=home,
        )
        settings.write_text(ONE_NODE + node, encoding="utf-8")
        log4j.write_text(LOG4J, encoding="utf-8")
        logging = f"-Dlog4j2.configurationFile={log4j.absolute().as_uri()}"
        if not (home / "log" / "meta.properties").is_file():
            format_storage([java, "-Xmx128m", logging, "-cp", classpath], settings)
        return (java, *_JVM, logging, "-cp", classpath, "kafka.Kafka", str(settings))

    def environment(self) -> Mapping[str, str]:
        """Nothing besides."""
        return {}


def find_java() -> str:
    """The path of ``java``; `StackError` when it is missing or older than 17."""
    java = shutil.which("java")
    remedy = f"install Java {_MINIMUM_JAVA} or later, or use the embedded broker (`--broker tansu`)"
    if java is None:
        raise StackError(f"Apache Kafka needs Java, and there is no `java` on PATH; {remedy}.")
    banner = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', banner)
    if version is None or int(version.group(1)) < _MINIMUM_JAVA:
        found = version.group(1) if version else "unknown"
        raise StackError(f"Apache Kafka needs Java {_MINIMUM_JAVA}, found {found}; {remedy}.")
    return java


def make_cluster_id() -> str:
    """An id that no other cluster has."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def format_storage(
    java: Sequence[str], settings: Path, *options: str, cluster_id: str | None = None
) -> None:
    """Format what the properties in ``settings`` name, unless it is; `StackError` when it fails.

    ``java`` is the program with its class path, ``options`` are further ones of Kafka's tool. The
    nodes of one cluster have one ``cluster_id``; one that is alone needs none.
    """
    cluster_id = cluster_id or make_cluster_id()
    tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}"]
    outcome = subprocess.run(
        leashed([*java, *tool, "-c", str(settings), "--ignore-formatted", *options]),
        capture_output=True,
        text=True,
        timeout=_FORMAT_WITHIN_S,
        check=False,
    )
    if outcome.returncode != 0:
        last = (outcome.stderr or outcome.stdout).strip().splitlines()[-1:]
        raise StackError(
            f"Kafka could not format {settings.parent / 'log'} ({' '.join(last)[:300]}); "
            "check the disk, or choose another directory with --data."
        )
