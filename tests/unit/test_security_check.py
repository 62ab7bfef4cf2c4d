"""What doctor says of settings that let others read or write along."""

import pytest

from streams.cli.security_check import is_local, security_finding
from streams.settings import Settings

SAFE = {"kafka_security": "SASL_SSL", "clickhouse": "https://db.example:8443"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, None),
        ({"kafka": "k1.example:9092", **SAFE}, None),
        ({"kafka": "127.0.0.1:1,k1.example:9092"}, "Kafka at k1.example is spoken to in the clear"),
        ({"kafka": "k1.example:9092", "kafka_security": "SSL"}, "asks for no password"),
        ({"clickhouse": "http://db.example:8123"}, "ClickHouse at db.example is spoken to"),
        ({"web_host": "0.0.0.0"}, "put TLS in front of it"),
        ({"metrics_host": "10.0.0.7"}, "let only Prometheus reach them"),
    ],
)
def test_what_leaves_the_machine_unprotected_is_noted(fields, says):
    finding = security_finding(Settings(**fields))
    assert finding.state == ("ok" if says is None else "note")
    assert says is None or says in finding.detail


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("[::1]", True), ("localhost", True), ("10.0.0.1", False)],
)
def test_loopback_is_this_machine(host, local):
    assert is_local(host) is local
