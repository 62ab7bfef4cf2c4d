"""A stack on three brokers: every record on all of them, two of which have to have it."""

from contextlib import contextmanager, suppress

from kafka.errors import KafkaError

from mailsla.sinks.embedded.brokers.apache_kafka import (
    LOG4J,
    NODE,
    find_java,
    format_storage,
    make_cluster_id,
)
from mailsla.sinks.embedded.brokers.broker import is_broker_ready
from mailsla.sinks.embedded.brokers.kafka_jars import kafka_jars
from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port
from mailsla.streams.runtime.kafka.admin import administration
from mailsla.streams.settings import ConfigurationError
from tests.stack import Service, Stack, needs_kafka, wait_for

_NODES = (1, 2, 3)
_READY_S = 180
_JVM = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-Xshare:auto", "-XX:TieredStopAtLevel=1")
_ONE_OF_THREE = """auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
min.insync.replicas=2
default.replication.factor=3
offsets.topic.replication.factor=3
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
"""


class Cluster:
    """Three brokers that are controllers too; in the place of a stack's one `Service`."""

    def __init__(self, data, logs):
        self._data = data
        self.ports = {node: resolve_port(0, "a broker") for node in _NODES}
        self._controllers = {node: resolve_port(0, "a controller") for node in _NODES}
        self._cluster_id = make_cluster_id()
        self.nodes = {
            node: Service(
                f"broker-{node}",
                lambda node=node: self._argv(node),
                lambda node=node: is_broker_ready(self.ports[node]),
                logs,
                _READY_S,
            )
            for node in _NODES
        }

    def _argv(self, node):
        home = self._data / f"kafka-{node}"
        home.mkdir(parents=True, exist_ok=True)
        properties, log4j = home / "server.properties", home / "log4j2.yaml"
        voters = ",".join(f"{n}@{LOOPBACK}:{port}" for n, port in self._controllers.items())
        node_properties = NODE.format(
            node=node,
            voters=voters,
            host=LOOPBACK,
            port=self.ports[node],
            controller_port=self._controllers[node],
            home=home,
        )
        properties.write_text(node_properties + _ONE_OF_THREE)
        log4j.write_text(LOG4J)
        java = [find_java(), *_JVM, f"-Dlog4j2.configurationFile={log4j.absolute().as_uri()}"]
        java += ["-cp", f"{kafka_jars()}/*"]
        if not (home / "log" / "meta.properties").is_file():
            format_storage(java, properties, cluster_id=self._cluster_id)
        return (*java, "kafka.Kafka", str(properties))

    def start(self):
        """Start all of them, and wait until each answers: one alone knows of no cluster."""
        for node in self.nodes.values():
            node.launch()
        for node in self.nodes.values():
            node.await_ready()

    def kill(self):
        """Kill all of them."""
        for node in self.nodes.values():
            node.kill()


class WideStack(Stack):
    """A stack whose broker is three."""

    replication = 3

    def __init__(self, data):
        super().__init__(data, "kafka")
        self.broker = Cluster(self.data, self.logs)

    @property
    def servers(self):
        """All three."""
        return ",".join(f"{LOOPBACK}:{port}" for port in self.broker.ports.values())

    def leader(self, topic, partition=0):
        """The node that leads a partition."""
        return self._describe(topic)["partitions"][partition]["leader_id"]

    def await_replicas(self, *topics):
        """Wait until every broker has everything of some topics."""
        for topic in topics:
            wait_for(
                lambda topic=topic: all(
                    len(place["isr_nodes"]) == len(_NODES)
                    for place in self._describe(topic)["partitions"]
                ),
                _READY_S,
                f"all replicas of {topic} in sync",
            )

    def _describe(self, topic):
        while True:
            with suppress(KafkaError, ConfigurationError), administration(self.settings) as admin:
                return admin.describe_topics([topic])[0]


@contextmanager
def wide_stack(data):
    """A started stack on three brokers; everything is gone on exit."""
    needs_kafka()
    stack = WideStack(data)
    try:
        yield stack.start()
    finally:
        stack.stop()
