"""ClickHouse over HTTPS with an authority of one's own; what is wrong is said at once."""

import asyncio
import json
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from clickhouse_connect.driver.exceptions import ClickHouseError
from landing_server import ClickHouseProcess

from mailsla.sinks.clickhouse import connect, connect_reader
from mailsla.sinks.embedded.ports import LOOPBACK
from mailsla.sinks.landing.delivery import LandingDelivery
from mailsla.sinks.landing.faults import LandingError, label
from mailsla.sinks.landing.landing import Landing
from mailsla.sinks.schema import install_schema
from mailsla.streams.settings import ConfigurationError, Settings
from tests.integration.landing_server import Batch

pytestmark = pytest.mark.embedded

WITHIN_S = 15.0
EVENT = {
    "id": "1",
    "source": "pbx",
    "type": "channel.up",
    "tenant_id": "*",
    "time": "2026-10-20T08:00:00Z",
    "channel": "phone",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = ClickHouseProcess(tmp_path_factory.mktemp("tls") / "data")
    process.start()
    install_schema(process.connect())
    yield process
    process.kill()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@contextmanager
def encrypted(certificate, port):
    """A port that takes TLS off and passes on to the server, as a load balancer does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    loop = asyncio.new_event_loop()

    async def handle(reader, writer):
        upstream_reader, upstream = await asyncio.open_connection(LOOPBACK, port)
        await asyncio.gather(_copy(reader, upstream), _copy(upstream_reader, writer))

    started = asyncio.start_server(handle, LOOPBACK, 0, ssl=context)
    listening = loop.run_until_complete(started)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _copy(reader, writer):
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


def reach(server, port, ca, host=LOOPBACK):
    return server.settings(url=f"https://{host}:{port}", ca_file=str(ca))


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def test_rows_land_and_are_read_back_over_https(server, authority, ca_file):
    with encrypted(authority.issue_cert(LOOPBACK), server.port) as port:
        client = connect(reach(server, port, ca_file))
        client.insert("support_events", [["acme"]], column_names=["tenant_id"])
        assert client.query("SELECT count() FROM support_events").result_rows == [(1,)]
        client.close()


def wrong(authority):
    """(the server's certificate, a part of the sentence)."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    other = trustme.CA()
    yield other.issue_cert(LOOPBACK), "signed by nobody trusted here"
    yield authority.issue_cert("ch.example.net"), "for another host name"
    yield authority.issue_cert(LOOPBACK, not_after=yesterday), "has expired"


def test_a_wrong_certificate_is_a_sentence_for_readers_and_for_the_worker(
    server, authority, ca_file
):
    for certificate, sentence in wrong(authority):
        with encrypted(certificate, server.port) as port:
            settings = reach(server, port, ca_file)
            began = time.monotonic()
            with pytest.raises(ClickHouseError) as refused:
                connect_reader(settings)
            assert sentence in label(refused.value)
            with pytest.raises(LandingError, match=sentence):
                asyncio.run(_land(settings))
            assert time.monotonic() - began < WITHIN_S


async def _land(settings):
    delivery = LandingDelivery(lambda: connect(settings))
    try:
        await Landing(delivery).land_all([Batch("mail.support", [json.dumps(EVENT).encode()])])
    finally:
        await delivery.close()


def test_https_to_an_unencrypted_port_never_falls_back(server, ca_file):
    with pytest.raises(ClickHouseError) as refused:
        connect_reader(reach(server, server.port, ca_file))
    assert "encrypted port" in label(refused.value)


def test_whoever_listens_in_the_server_s_place_gets_no_password(server, ca_file):
    password = server.settings().password.get_secret_value()
    heard = []
    with socket.create_server((LOOPBACK, 0)) as listener:

        def listen():
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65_536))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        with pytest.raises(ClickHouseError):
            connect_reader(reach(server, listener.getsockname()[1], ca_file))
        thread.join(10)
    assert heard
    assert heard[0][:1] == b"\x16"
    assert password.encode() not in heard[0]


def test_a_missing_file_of_authorities_is_named(server, tmp_path):
    with pytest.raises(ConfigurationError, match="MAILSLA_CLICKHOUSE_CA_FILE names"):
        connect(reach(server, server.port, tmp_path / "none.pem"))


def test_the_setting_reaches_the_client(ca_file):
    from mailsla.sinks.worker import clickhouse_settings

    settings = Settings(clickhouse="https://h:8443", clickhouse_ca_file=ca_file)
    assert clickhouse_settings(settings).ca_file == str(ca_file)
