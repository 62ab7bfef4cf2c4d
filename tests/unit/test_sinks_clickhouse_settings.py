"""Addresses and credentials of ClickHouse stay apart, and a password never shows."""

import pytest
from pydantic import ValidationError

from mailsla.sinks.clickhouse import ClickHouseSettings


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:28123", ("http", "127.0.0.1", 28123)),
        ("http://ch.example.net/", ("http", "ch.example.net", 8123)),
        ("https://ch.example.net", ("https", "ch.example.net", 8443)),
        ("http://[::1]:8124", ("http", "::1", 8124)),
    ],
)
def test_an_address_is_scheme_host_and_port(url, address):
    assert ClickHouseSettings(url=url).address == address


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("http://sla:hunter2@ch.example.net:8123", "give the user and the password apart"),
        ("http://ch.example.net/?user=sla&password=hunter2", "name the database apart"),
        ("http://ch.example.net/mailsla", "name the database apart"),
        ("clickhouse://ch.example.net:9000", "needs http:// or https://"),
        ("ch.example.net:8123", "needs http:// or https://"),
        ("http://", "needs http:// or https://"),
        ("http://ch.example.net:123456", "malformed"),
        ("http://ch.example.net:0", "needs http:// or https://"),
    ],
)
def test_another_address_is_refused_with_the_remedy_and_without_its_secret(url, remedy):
    with pytest.raises(ValidationError) as refused:
        ClickHouseSettings(url=url)
    assert remedy in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "mail-sla", "mailsla; DROP TABLE x", "1st", "a`b", "a\n"])
def test_a_database_is_a_plain_identifier(name):
    with pytest.raises(ValidationError):
        ClickHouseSettings(database=name)


def test_the_password_is_never_printed():
    settings = ClickHouseSettings(user="sla", password="hunter2")
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()
