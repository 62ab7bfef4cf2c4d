"""What doctor says of insecure settings: each is named, with the remedy; the good ones are not."""

import pytest
from pydantic import SecretStr

from mailsla.streams.cli.support.doctor import security as doctor_security
from mailsla.streams.cli.support.doctor.security import security_findings
from mailsla.streams.settings import Settings

STRONG = SecretStr("a-long-random-password")
GOOD = {"clickhouse_password": STRONG}


def said(state_file=None, **changes):
    found = list(security_findings(Settings(**{**GOOD, **changes}), state_file))
    return {finding.state for finding in found}, " | ".join(finding.detail for finding in found)


def test_a_stack_on_this_machine_alone_is_well():
    assert said()[0] == {"ok"}


def test_remote_services_over_tls_with_a_login_are_well():
    remote = {
        "kafka": "k.example.net:9094",
        "kafka_security": "SASL_SSL",
        "kafka_password": STRONG,
        "clickhouse": "https://c.example.net:8443",
    }
    assert said(**remote)[0] == {"ok"}


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"kafka": "k.example.net:9092"}, "set MAILSLA_KAFKA_SECURITY to SSL"),
        (
            {"kafka": "k.example.net:9092", "kafka_security": "SASL_PLAINTEXT"},
            "is reached unencrypted",
        ),
        ({"kafka": "k.example.net:9092", "kafka_security": "SSL"}, "does not identify itself"),
        ({"kafka": "127.0.0.1:1,k.example.net:9092"}, "is reached unencrypted"),
        ({"clickhouse": "http://c.example.net:8123"}, "use https://"),
        ({"clickhouse_password": SecretStr("")}, "no password for ClickHouse"),
        ({"clickhouse_password": SecretStr("short")}, "MAILSLA_CLICKHOUSE_PASSWORD is shorter"),
        ({"kafka_password": SecretStr("short")}, "MAILSLA_KAFKA_PASSWORD is shorter"),
        ({"web_host": "0.0.0.0"}, "put TLS in front of it"),
        ({"metrics_host": "10.0.0.7"}, "let only Prometheus reach them"),
        (
            {"web_role_header": "X-Role", "web_proxies": "127.0.0.1, 0.0.0.0/0"},
            "name the proxies alone in MAILSLA_WEB_PROXIES",
        ),
    ],
)
def test_every_insecure_setting_is_named_with_its_remedy(changes, remedy):
    states, text = said(**changes)
    assert states == {"note"}
    assert remedy in text
    assert "short " not in text


def test_a_file_with_passwords_that_others_may_read_is_named(tmp_path, monkeypatch):
    named = ("kafka_key_file", "kafka_token_file", "web_tenant_tokens", "notify_routes")
    own = {name: tmp_path / name for name in named}
    config, state = tmp_path / "config.yaml", tmp_path / "state.json"
    files = (config, state, *own.values())
    for path in files:
        path.write_text("{}")
        path.chmod(0o640)
    monkeypatch.setenv("MAILSLA_CONFIG", str(config))
    text = said(state, **own)[1]
    assert all(f"chmod 600 {path}" in text for path in files)
    for path in files:
        path.chmod(0o600)
    assert said(state, **own)[0] == {"ok"}


def test_a_proxy_of_one_s_own_network_is_well():
    assert said(web_role_header="X-Role", web_proxies="10.1.0.0/16,::1")[0] == {"ok"}


def test_a_kernel_that_cannot_confine_is_named(monkeypatch):
    monkeypatch.setattr(doctor_security, "landlock_version", lambda: 0)
    assert "no Landlock" in said()[1]


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("[::1]", True),
        ("localhost", True),
        ("10.0.0.1", False),
    ],
)
def test_loopback_is_this_machine(host, local):
    states, _ = said(kafka=f"{host}:9092")
    assert states == ({"ok"} if local else {"note"})
