"""The embedded stack for real: both brokers, the ClickHouse server, the supervisor."""

import http.client
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from mailsla.sinks.embedded.brokers.kafka_jars import cache_directory
from mailsla.sinks.embedded.clickhouse.server import is_serving
from mailsla.sinks.embedded.credentials import OPERATOR, USERS, ensure_credentials
from mailsla.sinks.embedded.errors import StackError
from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port
from mailsla.sinks.embedded.state_file import read_state
from mailsla.sinks.embedded.supervisor import StackPlan, started_stack
from tests.embedded import embedded_stack

pytestmark = pytest.mark.embedded


def wait_for(condition, within_s=30.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as source:
            return source.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def needs_kafka():
    missing = [
        tool
        for tool in ("java", "mvn")
        if shutil.which(tool) is None and not (tool == "mvn" and cache_directory().is_dir())
    ]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"Apache Kafka needs {' and '.join(missing)}")


def client(state, user=OPERATOR):
    return connect_to(int(state.clickhouse.rsplit(":", 1)[1]), user, state.clickhouse_users[user])


def connect_to(port, user, password):
    return clickhouse_connect.get_client(
        host=LOOPBACK, port=port, username=user, password=password, autogenerate_session_id=False
    )


def produce_and_consume(address, topic, configs=None, timestamp_ms=None):
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([NewTopic(topic, 1, 1, topic_configs=configs or {})])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=address)
    producer.send(topic, b"v", b"k", partition=0, timestamp_ms=timestamp_ms).get(30)
    producer.close()
    return first_record(address, topic)


def first_record(address, topic):
    consumer = KafkaConsumer(bootstrap_servers=address, consumer_timeout_ms=30_000)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek_to_beginning()
    record = next(consumer)
    consumer.close()
    return record


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with embedded_stack(tmp_path_factory.mktemp("tansu")) as state:
        yield state


@pytest.fixture(scope="module")
def admin(stack):
    connection = client(stack)
    connection.command("CREATE DATABASE mailsla")
    connection.command("CREATE TABLE mailsla.t (x Int64) ENGINE = MergeTree ORDER BY x")
    connection.insert("mailsla.t", [[1], [2], [3]], column_names=["x"])
    yield connection
    connection.close()


def test_a_record_passes_through_tansu_with_the_producer_s_timestamp(stack):
    configs = {"message.timestamp.type": "LogAppendTime"}
    record = produce_and_consume(stack.kafka, "t", configs, timestamp_ms=1_600_000_000_000)
    assert (record.key, record.value) == (b"k", b"v")
    assert (record.timestamp_type, record.timestamp) == (0, 1_600_000_000_000)


def test_clickhouse_takes_inserts_and_answers_over_http(admin):
    assert admin.query("SELECT sum(x) FROM mailsla.t").result_rows == [(6,)]


def test_the_native_port_accepts_a_connection_on_loopback_only(stack):
    host, port = stack.clickhouse_native.split(":")
    assert host == LOOPBACK
    with socket.create_connection((host, int(port)), timeout=5):
        pass
    with open("/proc/net/tcp") as source:
        listening = [line.split()[1] for line in source if line.split()[3] == "0A"]
    assert [a.split(":")[0] for a in listening if int(a.split(":")[1], 16) == int(port)] == [
        "0100007F"
    ]


def test_the_page_reads_mailsla(stack, admin):
    reader = client(stack, "web")
    assert reader.query("SELECT count() FROM mailsla.t").result_rows == [(3,)]
    reader.close()


WRITING = [
    "INSERT INTO mailsla.t VALUES (4)",
    "CREATE TABLE mailsla.u (x Int8) ENGINE = Memory",
    "CREATE DATABASE d",
    "SET max_memory_usage = 0",
    "KILL QUERY WHERE 1",
]
DESTROYING = [
    "DROP TABLE mailsla.t",
    "TRUNCATE TABLE mailsla.t",
    "ALTER TABLE mailsla.t DELETE WHERE 1",
]
ESCAPING = [
    "SYSTEM STOP LISTEN HTTP",
    "SYSTEM SHUTDOWN",
    "CREATE USER x",
    "CREATE FUNCTION f AS x -> x",
    "SHOW CREATE USER default",
    "SELECT * FROM file('/etc/passwd', 'CSV', 'x String')",
    "INSERT INTO FUNCTION file('/tmp/x.csv', 'CSV', 'x String') VALUES ('x')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'x String')",
    "SELECT * FROM remote('127.0.0.1', 'system', 'one')",
    "SELECT * FROM s3('http://s3.example.net/bucket/x', 'CSV', 'x String')",
    "SELECT * FROM mysql('127.0.0.1:3306', 'd', 't', 'u', 'p')",
    "SELECT * FROM sqlite('/tmp/x.db', 't')",
    "SELECT * FROM executable('x.sh', 'CSV', 'x String')",
    "SELECT * FROM python('x')",
    "SELECT * FROM python('x') SETTINGS allow_python_table_function = 1",
    "CREATE TABLE mailsla.f (x String) ENGINE = File(CSV)",
    "CREATE TABLE mailsla.f (x String) ENGINE = URL('http://127.0.0.1:1/', 'CSV')",
    "CREATE DICTIONARY mailsla.d (x UInt64) PRIMARY KEY x LAYOUT(FLAT()) LIFETIME(1)"
    " SOURCE(EXECUTABLE(COMMAND 'id' FORMAT 'CSV'))",
    "BACKUP TABLE mailsla.t TO File('/tmp/x')",
    # Whatever the process could read, every user could: it is confined to its own directory.
    "SELECT file('/etc/passwd')",
    "SELECT file('/etc/shadow')",
    "SELECT file('{data}/clickhouse.credentials.json')",
    "SELECT file('{data}/state.json')",
    "SELECT file('/proc/{parent}/environ')",
]
REFUSED = r"ACCESS_DENIED|READONLY|FUNCTION_NOT_ALLOWED|QUERY_IS_PROHIBITED|Permission denied"


def forbidden():
    """(user, statement) that must be refused."""
    for user in USERS:
        yield from ((user, statement) for statement in ESCAPING)
    for user in ("writer", "closer", "analyst", "web"):
        yield from ((user, statement) for statement in DESTROYING)
        yield user, "SELECT * FROM system.users"
        yield user, "SELECT * FROM system.server_settings"
    for user in ("analyst", "web"):
        yield from ((user, statement) for statement in WRITING)


@pytest.mark.parametrize("user", USERS)
def test_nobody_reaches_what_is_none_of_their_business(stack, admin, user):
    entry = client(stack, user)
    for who, statement in forbidden():
        if who == user:
            with pytest.raises(DatabaseError, match=REFUSED):
                entry.command(
                    statement.replace("{data}", stack.data).replace("{parent}", str(os.getpid()))
                )
    entry.close()
    assert admin.query("SELECT count() FROM mailsla.t").result_rows == [(3,)]


@pytest.mark.parametrize("user", ["default", "", *USERS])
def test_nobody_comes_in_without_a_password(stack, user):
    port = int(stack.clickhouse.rsplit(":", 1)[1])
    with pytest.raises(DatabaseError, match="Authentication failed"):
        connect_to(port, user, "")


@pytest.mark.parametrize("header", ["Origin", "Sec-Fetch-Site"])
def test_no_page_in_a_browser_gets_an_answer(stack, header):
    host = urlsplit(stack.clickhouse).netloc
    connection = http.client.HTTPConnection(host, timeout=10)
    password = stack.clickhouse_users["analyst"]
    headers = {header: "null", "X-ClickHouse-User": "analyst", "X-ClickHouse-Key": password}
    connection.request("POST", "/", "SELECT 42", headers)
    reply = connection.getresponse()
    assert (reply.status, b"42" in reply.read()) == (403, False)
    connection.close()


def test_the_server_has_no_variable_it_does_not_need(stack):
    with open(f"/proc/{stack.pids['clickhouse']}/environ") as source:
        names = {entry.partition("=")[0] for entry in source.read().split("\0") if entry}
    assert names <= {"PATH", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH"}


def test_what_the_stack_writes_is_its_owner_s_only(stack, admin):
    data = Path(stack.data)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for path in data.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_no_password_is_among_what_a_query_can_read(stack, admin):
    secrets = [password.encode() for password in stack.clickhouse_users.values()]
    for path in [*Path(stack.data, "clickhouse").glob("*"), *Path(stack.data, "logs").glob("*")]:
        if path.is_file():
            assert not [secret for secret in secrets if secret in path.read_bytes()], path


def test_a_second_stack_on_the_same_directory_is_refused_with_the_holder_s_pid(stack):
    plan = StackPlan(data=Path(stack.data))
    with pytest.raises(StackError, match=rf"in use by process {os.getpid()};"), started_stack(plan):
        pytest.fail("the second stack started")


def test_a_port_in_use_is_refused_before_anything_starts(stack, tmp_path):
    port = int(stack.kafka.rsplit(":", 1)[1])
    plan = StackPlan(data=tmp_path, kafka_port=port)
    with (
        pytest.raises(StackError, match=rf"Port {port} for the Kafka broker .* already in use"),
        started_stack(plan),
    ):
        pytest.fail("the second stack started")
    assert not (tmp_path / "logs").exists()


def own_client(data, port):
    return connect_to(port, OPERATOR, ensure_credentials(data)[OPERATOR])


@contextmanager
def server(data, http_port):
    argv = ("--data", str(data), "--http-port", str(http_port), "--tcp-port", "0")
    process = subprocess.Popen(
        [sys.executable, "-m", "mailsla.sinks.embedded.clickhouse.server", *argv]
    )
    try:
        wait_for(lambda: is_serving(http_port))
        yield process
    finally:
        process.kill()
        process.wait()


def test_clickhouse_data_survive_a_clean_stop_and_a_kill(tmp_path):
    port = resolve_port(0, "the test")
    with server(tmp_path, port) as process:
        connection = own_client(tmp_path, port)
        connection.command("CREATE DATABASE d")
        connection.command("CREATE TABLE d.t (x Int64) ENGINE = MergeTree ORDER BY x")
        connection.insert("d.t", [[1]], column_names=["x"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with server(tmp_path, port):
        connection = own_client(tmp_path, port)
        connection.insert("d.t", [[2]], column_names=["x"])
    with server(tmp_path, port):
        assert own_client(tmp_path, port).query("SELECT x FROM d.t ORDER BY x").result_rows == [
            (1,),
            (2,),
        ]


_MAIN = """
import sys
from pathlib import Path
from mailsla.sinks.embedded.supervisor import StackPlan, run_stack
sys.exit(run_stack(StackPlan(data=Path(sys.argv[1]), state_file=Path(sys.argv[2])), lambda s: None))
"""


@contextmanager
def supervisor_process(tmp_path):
    path = tmp_path / "state.json"
    process = subprocess.Popen(
        [sys.executable, "-c", _MAIN, str(tmp_path / "data"), str(path)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: path.exists() or process.poll() is not None)
        yield process, path
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_every_child_and_removes_the_state_file(tmp_path, signal_number):
    with supervisor_process(tmp_path) as (process, path):
        pids = read_state(path).pids
        assert set(pids) == {"supervisor", "broker", "clickhouse"}
        process.send_signal(signal_number)
        assert process.wait(30) == 0
        assert not path.exists()
        assert all(is_gone(pid) for pid in pids.values())


def test_a_killed_supervisor_leaves_no_child_and_the_next_start_works(tmp_path):
    with supervisor_process(tmp_path) as (process, path):
        pids = read_state(path).pids
        process.kill()
        process.wait()
        wait_for(lambda: all(is_gone(pid) for pid in pids.values()))
        path.unlink()
    with supervisor_process(tmp_path) as (process, path):
        assert read_state(path).pids["supervisor"] == process.pid


def test_a_child_that_dies_brings_the_stack_down_with_one_sentence(tmp_path):
    with supervisor_process(tmp_path) as (process, path):
        pids = read_state(path).pids
        os.kill(pids["broker"], signal.SIGKILL)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "StackError: broker (process" in stderr
        assert "signal SIGKILL" in stderr
        assert not path.exists()
        assert all(is_gone(pid) for pid in pids.values())


@pytest.mark.kafka
def test_apache_kafka_keeps_its_records_and_stamps_them_itself(tmp_path):
    needs_kafka()
    configs = {"message.timestamp.type": "LogAppendTime"}
    with embedded_stack(tmp_path, broker="kafka") as state:
        record = produce_and_consume(state.kafka, "t", configs, timestamp_ms=1_600_000_000_000)
        assert record.timestamp_type == 1
        assert abs(record.timestamp / 1000 - time.time()) < 3600
        producer = KafkaProducer(bootstrap_servers=state.kafka, transactional_id="x")
        producer.init_transactions()
        producer.close()
    with embedded_stack(tmp_path, broker="kafka") as state:
        assert first_record(state.kafka, "t").value == b"v"
