"""What of the configuration lets others read or write along. Pure."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from streams.cli.checks import Finding
from streams.settings import Settings

_LOCAL_NAMES: Final = frozenset({"localhost", ""})


def security_finding(settings: Settings) -> Finding:
    """One line: nothing leaves this machine in the clear, or what does and how to mend it."""
    problems = list(_insecurities(settings))
    if not problems:
        return Finding("security", "ok", "nothing leaves this machine unprotected")
    return Finding("security", "note", "; ".join(problems))


def _insecurities(settings: Settings) -> list[str]:
    found = []
    hosts = [server.rpartition(":")[0] for server in settings.kafka.split(",")]
    away = [host for host in hosts if not is_local(host)]
    if away and "SSL" not in settings.kafka_security:
        found.append(
            f"Kafka at {away[0]} is spoken to in the clear; set MAILSLA_KAFKA_SECURITY to SASL_SSL"
        )
    if away and not settings.kafka_security.startswith("SASL"):
        found.append(f"Kafka at {away[0]} asks for no password; give it users")
    clickhouse = urlsplit(settings.clickhouse)
    if clickhouse.scheme == "http" and not is_local(clickhouse.hostname or ""):
        found.append(
            f"ClickHouse at {clickhouse.hostname} is spoken to in the clear; use an https address"
        )
    if not is_local(settings.web_host):
        found.append(
            f"the web page listens at {settings.web_host}; put TLS in front of it, its token is "
            "sent with every request"
        )
    if not is_local(settings.metrics_host):
        found.append(
            f"metrics are served at {settings.metrics_host} without a password; let only "
            "Prometheus reach them"
        )
    return found


def is_local(host: str) -> bool:
    """Whether a name or address is of this machine alone."""
    if host in _LOCAL_NAMES:
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
