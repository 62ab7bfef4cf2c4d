"""Kafka over TLS with its own authority: what is right works, what is wrong is said at once."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import KafkaError
from pydantic import SecretStr

from mailsla.sinks.embedded.ports import LOOPBACK
from mailsla.sinks.schema import install_schema
from mailsla.streams.access.acls import COMPONENTS, acls_script
from mailsla.streams.runtime.faust_app.process import wait_for_broker
from mailsla.streams.runtime.kafka.admin import administration, ensure_topics
from mailsla.streams.runtime.kafka.client_options import client_options
from mailsla.streams.runtime.kafka.drain import await_facts
from mailsla.streams.settings import ConfigurationError
from tests.integration.landing_server import ClickHouseProcess
from tests.secured_kafka import ADMIN, PASSWORD, secured_kafka
from tests.stack import Worker, wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.embedded]

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 15.0


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    users = [component.name for component in COMPONENTS]
    with secured_kafka(tmp_path_factory.mktemp("secured"), users) as broker:
        with administration(broker.settings()) as admin:
            allowances = [acl for component in COMPONENTS for acl in component.acls()]
            outcome = admin.create_acls([one for acl in allowances for one in _for_kafka(acl)])
            assert not outcome["failed"]
        yield broker


def _for_kafka(acl):
    """Every operation of an allowance, as kafka-python wants it."""
    kinds = {"transactional-id": "TRANSACTIONAL_ID"}
    pattern = ResourcePattern(
        ResourceType[kinds.get(acl.resource, acl.resource.upper())],
        acl.name,
        ACLResourcePatternType[acl.pattern.upper()],
    )
    return [
        ACL(f"User:{acl.principal}", "*", ACLOperation[name], ACLPermissionType.ALLOW, pattern)
        for name in acl.operations
    ]


def right(kafka):
    """Every way that must work."""
    yield kafka.settings()
    yield kafka.settings("sasl")
    yield kafka.settings("sasl", kafka_sasl_mechanism="PLAIN")
    bearer = {"kafka_sasl_mechanism": "OAUTHBEARER", "kafka_token_file": kafka.token()}
    yield kafka.settings("sasl", **bearer)


def test_every_right_way_works_for_tools(kafka):
    for settings in right(kafka):
        with administration(settings) as admin:
            assert len(admin.describe_cluster()["brokers"]) == 1
        wait_for_broker(settings)


def tool(settings):
    """What every command begins with."""
    with administration(settings):
        pass


def wrong(kafka):
    """(settings, a part of the sentence) of every way that must not."""
    password = {"kafka_password": SecretStr("nope")}
    bad = kafka.file("bad.token")
    bad.write_text("abc")
    bearer = {"kafka_sasl_mechanism": "OAUTHBEARER", "kafka_token_file": bad}
    return {
        "another authority": (
            kafka.settings(kafka_ca_file=kafka.file("other-ca.pem")), "signed by nobody trusted"
        ),
        "the system's authorities": (
            kafka.settings(kafka_ca_file=None), "set MAILSLA_KAFKA_CA_FILE"
        ),
        "no certificate": (kafka.settings(kafka_cert_file=None), "MAILSLA_KAFKA_CERT_FILE"),
        "a stranger's": (kafka.settings(user="stranger"), "refuses this program's certificate"),
        "another host": (kafka.settings("wrong"), "is for another host name"),
        "expired": (kafka.settings("expired"), "has expired"),
        "plaintext": (kafka.settings(kafka_security="PLAINTEXT"), "speaks TLS"),
        "a login in clear text": (
            kafka.settings("sasl", kafka_security="SASL_PLAINTEXT"), "speaks TLS"
        ),
        "no login": (kafka.settings("sasl", kafka_security="SSL"), "may want a login"),
        "wrong password": (kafka.settings("sasl", **password), "refuses the login"),
        "wrong password, PLAIN": (
            kafka.settings("sasl", kafka_sasl_mechanism="PLAIN", **password), "refuses the login"
        ),
        "wrong token": (kafka.settings("sasl", **bearer), "renew the token"),
        "another mechanism": (
            kafka.settings("sasl", kafka_sasl_mechanism="SCRAM-SHA-256"), "has no SCRAM-SHA-256"
        ),
    }  # fmt: skip


def test_every_wrong_way_is_refused_soon_with_a_sentence_by_tools_and_workers(kafka):
    for name, (settings, sentence) in wrong(kafka).items():
        for connect in (tool, wait_for_broker):
            if name == "wrong token" and connect is wait_for_broker:
                continue  # found out as a missing login is, which takes ten seconds
            began = time.monotonic()
            with pytest.raises(ConfigurationError, match=sentence) as refused:
                connect(settings)
            assert time.monotonic() - began < WITHIN_S, name
            assert PASSWORD not in str(refused.value)


def variables(settings):
    """Those settings as environment variables."""
    found = {}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        if plain is not None:
            found[f"MAILSLA_{name.upper()}"] = str(plain)
    return found


def test_a_worker_with_a_wrong_password_ends_with_the_sentence_and_exit_code_2(kafka):
    settings = kafka.settings("sasl", kafka_password=SecretStr("wrong-canary"))
    done = subprocess.run(
        [sys.executable, "-m", "mailsla.streams.cli.main", "worker", "streams"],
        env=os.environ | variables(settings) | {"MAILSLA_LOG_LEVEL": "DEBUG"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "refuses the login" in done.stderr
    assert "wrong-canary" not in done.stdout + done.stderr


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_no_client_says_a_word_in_clear_text_to_who_does_not_speak_tls(kafka, mechanism):
    """Whatever listens there hears a TLS greeting and nothing else."""
    heard = []
    with socket.create_server((LOOPBACK, 0)) as server:
        threading.Thread(target=_listen, args=(server, heard), daemon=True).start()
        settings = kafka.settings(
            "sasl",
            kafka=f"{LOOPBACK}:{server.getsockname()[1]}",
            kafka_sasl_mechanism=mechanism,
        )
        with pytest.raises(ConfigurationError):
            wait_for_broker(settings)
        _start_faust_client(settings)
        wait_for(lambda: len(heard) >= 2, 30, "two connections")
    for said in heard:
        assert said[:1] == b"\x16"
        assert PASSWORD.encode() not in said
        assert ADMIN.encode() not in said


def _listen(server, heard):
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(2)
            heard.append(connection.recv(4096))


def _start_faust_client(settings):
    """The very client of a worker, with the options Faust derives."""
    program = (
        "import asyncio\n"
        "from aiokafka import AIOKafkaProducer\n"
        "from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth\n"
        "from mailsla.streams.runtime.faust_app.application import build_app\n"
        "from mailsla.streams.settings import load\n"
        "settings = load()\n"
        "app = build_app('x', settings, False)\n"
        "auth = credentials_to_aiokafka_auth(app.conf.broker_credentials, app.conf.ssl_context)\n"
        "async def main():\n"
        "    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, **auth)\n"
        "    try:\n"
        "        await producer.start()\n"
        "    except Exception:\n"
        "        await producer.stop()\n"
        "asyncio.run(main())\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], env=os.environ | variables(settings), timeout=60,
        capture_output=True,
    )  # fmt: skip


EVENT = {
    "id": "1",
    "source": "mx1/postfix",
    "type": "message.dispatched",
    "tenant_id": "acme",
    "direction": "outbound",
    "message_id": "m1",
    "recipient": "a@b.example",
}


def test_workers_do_their_work_over_tls_each_as_itself_with_the_least_rights(kafka, tmp_path):
    """Topics by the administrator, an event by a producer, both workers, the lag by the web."""
    ensure_topics(kafka.settings("sasl", "mailsla-admin", partitions=1))
    clickhouse = ClickHouseProcess(tmp_path / "clickhouse")
    clickhouse.start()
    workers = []
    try:
        install_schema(clickhouse.connect())
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        event = EVENT | {"time": now, "accepted_at": now}
        with KafkaProducer(**client_options(kafka.settings(user="mailsla-producer"))) as producer:
            producer.send("mail.mta", key=b"acme", value=json.dumps(event).encode()).get(30)
        for kind, listener in (("streams", "tls"), ("sinks", "sasl")):
            settings = kafka.settings(listener, f"mailsla-{kind}", partitions=1)
            env = {**clickhouse.variables, **variables(settings)}
            workers.append(Worker(kind, 0, tmp_path, env))
        client = clickhouse.connect()

        def landed():
            rows = client.query("SELECT count() FROM mta_events").result_rows
            windows = client.query("SELECT count() FROM windows").result_rows
            return rows == [(1,)] and windows[0][0] > 0

        wait_for(landed, 90, "the event and its windows in ClickHouse")
        assert await_facts(kafka.settings(user="mailsla-closer", partitions=1), 30) is None
        log = "".join(worker.log for worker in workers)
        assert "AuthorizationFailed" not in log
        assert PASSWORD not in log
    finally:
        for worker in workers:
            worker.end()
        clickhouse.kill()


FORBIDDEN = [
    ("mailsla-producer", "sla.breaches"),
    ("mailsla-producer", "sla.contracts"),
    ("mailsla-sinks", "mail.mta"),
    ("mailsla-streams", "sla.closings"),
    ("mailsla-web", "mail.ops"),
    ("mailsla-subscriber", "sla.breaches"),
    ("mailsla-closer", "sla.dead_letters"),
    ("mailsla-operator", "mail.billing"),
]


def test_nobody_writes_what_is_another_s(kafka):
    ensure_topics(kafka.settings("sasl", "mailsla-admin", partitions=1))
    for user, topic in FORBIDDEN:
        options = client_options(kafka.settings(user=user))
        with KafkaProducer(**options) as producer, pytest.raises(KafkaError, match="Authoriz"):
            producer.send(topic, key=b"x", value=b"x").get(30)


def test_a_producer_cannot_read_what_others_publish(kafka):
    ensure_topics(kafka.settings("sasl", "mailsla-admin", partitions=1))
    options = client_options(kafka.settings(user="mailsla-producer"))
    consumer = KafkaConsumer(**options, consumer_timeout_ms=5_000)
    consumer.assign([TopicPartition("mail.mta", 0)])
    consumer.seek(TopicPartition("mail.mta", 0), 0)
    with pytest.raises(KafkaError, match="Authoriz"):
        next(consumer)
    consumer.close()


def test_the_script_in_deploy_is_the_one_that_was_applied():
    assert (ROOT / "deploy/kafka/acls.sh").read_text() == acls_script()
