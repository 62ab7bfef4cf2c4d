"""A broker with the topics, the tenant map, and what is in `mail.mta`."""

import json
from contextlib import contextmanager

from mailsla.streams.runtime.kafka.admin import ensure_topics
from tests.stack import Stack, needs_kafka

MTA = "mail.mta"
DOMAINS = "tenant-a.test: tenant-a\ntenant-b.test: tenant-b\n"


@contextmanager
def broker_with_topics(data, broker="tansu"):
    """A stack with a running broker only; its workers end with it."""
    if broker == "kafka":
        needs_kafka()
    stack = Stack(data, broker)
    try:
        stack.broker.start()
        ensure_topics(stack.settings)
        yield stack
    finally:
        stack.stop()


def write_domains(directory):
    """The tenant map of the corpus."""
    path = directory / "domains.yaml"
    path.write_text(DOMAINS)
    return path


def published(stack):
    """The records of `mail.mta`: (key, event) in the order of their partitions."""
    return [(record.key.decode(), json.loads(record.value)) for record in stack.read(MTA)]


def by_identity(events):
    """Events by what identifies them; asserts that one identity never has two contents."""
    found = {}
    for event in events:
        assert found.setdefault((event["source"], event["id"]), event) == event
    return found
