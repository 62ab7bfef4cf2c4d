"""One stack for all of these tests: what a small story left behind, its month closed."""

import json

import pytest
from click.testing import CliRunner
from kafka import KafkaProducer

from mailsla.sinks.schema import install_schema
from mailsla.streams.cli.main import cli
from tests.integration.test_feed.story import MONTH, story
from tests.stack import running_stack


@pytest.fixture(scope="package")
def stack(tmp_path_factory):
    """Broker and ClickHouse; the workers have ended."""
    with running_stack(tmp_path_factory.mktemp("feed"), "kafka") as running:
        install_schema(running.client())
        with running.workers("streams", "sinks"):
            for records in story():
                running.publish(records)
                running.drain()
            command(running, "close", f"{MONTH:%Y-%m}")
            deliver_again(running, running.read("sla.breaches")[0])
            running.drain()
        yield running


@pytest.fixture(scope="package")
def feed(stack):
    """Every record of the feed, the one that was delivered twice included."""
    return stack.read("sla.breaches")


@pytest.fixture(scope="package")
def told(feed):
    """The events of the feed by id, in the order in which each was first delivered."""
    return {event["id"]: event for event in (json.loads(record.value) for record in feed)}


def variables(stack):
    """How a command finds the stack."""
    return stack.variables


def command(stack, *words):
    """What a command prints; it has to succeed."""
    done = CliRunner().invoke(cli, words, env=variables(stack))
    assert done.exit_code == 0, (words, done.output, done.exception)
    return done.stdout


def deliver_again(stack, record):
    """What an at-least-once delivery may do."""
    producer = KafkaProducer(bootstrap_servers=stack.settings.kafka)
    producer.send(
        record.topic,
        key=record.key,
        value=record.value,
        headers=list(record.headers),
        partition=record.partition,
    ).get(timeout=30)
    producer.close()
