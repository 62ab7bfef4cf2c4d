"""What ``mailsla doctor`` says about settings that others could take advantage of."""

import os
import stat
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from mailsla.sinks.embedded.confinement import landlock_version
from mailsla.streams.cli.support.doctor.finding import Finding
from mailsla.streams.settings import PREFIX, Settings

_LOCAL_NAMES: Final = frozenset({"localhost", ""})
_SHORTEST_PASSWORD: Final = 12
_FILES: Final = (f"{PREFIX}CONFIG", f"{PREFIX}STATE_FILE")
_SECRET_FILES: Final = ("kafka_key_file", "kafka_token_file", "web_tenant_tokens", "notify_routes")
_MOST_PROXIES: Final = 65_536
"""More addresses than those of one network of one's own are no proxies."""


def security_findings(settings: Settings, state_file: Path | None = None) -> Iterator[Finding]:
    """One finding for each insecure setting; a single good one where there is none."""
    insecure = [
        *_kafka(settings),
        *_clickhouse(settings),
        *_web(settings),
        *_metrics(settings),
        *_proxies(settings),
        *_files(settings, state_file),
        *_weak(settings),
        *_machine(settings),
    ]
    for detail in insecure:
        yield Finding("security", "note", detail)
    if not insecure:
        yield Finding("security", "ok", "nothing leaves this machine unencrypted")


def _kafka(settings: Settings) -> Iterator[str]:
    hosts = [address.strip().rpartition(":")[0] for address in settings.kafka.split(",")]
    remote = not all(_is_local(host) for host in hosts)
    if remote and not settings.kafka_security.endswith("SSL"):
        yield (
            f"Kafka at {settings.kafka} is reached unencrypted; set MAILSLA_KAFKA_SECURITY to SSL "
            "or SASL_SSL"
        )
    if remote and settings.kafka_security == "SSL" and not settings.kafka_cert_file:
        yield (
            "this program does not identify itself to Kafka; set MAILSLA_KAFKA_CERT_FILE, or "
            "MAILSLA_KAFKA_SECURITY to SASL_SSL"
        )


def _clickhouse(settings: Settings) -> Iterator[str]:
    address = urlsplit(settings.clickhouse)
    if address.scheme == "http" and not _is_local(address.hostname or ""):
        yield f"ClickHouse at {settings.clickhouse} is reached unencrypted; use https://"
    if not settings.clickhouse_password.get_secret_value():
        yield "no password for ClickHouse; set MAILSLA_CLICKHOUSE_PASSWORD"


def _web(settings: Settings) -> Iterator[str]:
    if not _is_local(settings.web_host):
        yield (
            f"the web page is open to other machines (MAILSLA_WEB_HOST {settings.web_host}); put "
            "TLS in front of it, its token is sent with every request"
        )


def _metrics(settings: Settings) -> Iterator[str]:
    if not _is_local(settings.metrics_host):
        yield (
            f"metrics are served at {settings.metrics_host} without a password; let only "
            "Prometheus reach them"
        )


def _proxies(settings: Settings) -> Iterator[str]:
    """Whoever is taken for the proxy says of himself whether he is the desk."""
    if not settings.web_role_header:
        return
    for text in filter(None, map(str.strip, settings.web_proxies.split(","))):
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            continue  # the page refuses it
        if network.num_addresses > _MOST_PROXIES:
            yield (
                f"the web page believes {settings.web_role_header} of {network.num_addresses} "
                f"addresses ({network}); name the proxies alone in MAILSLA_WEB_PROXIES"
            )


def _files(settings: Settings, state_file: Path | None) -> Iterator[str]:
    named = [Path(os.environ[name]) for name in _FILES if os.environ.get(name)]
    own = (getattr(settings, name) for name in _SECRET_FILES)
    for path in [*named, *filter(None, (state_file, *own))]:
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield f"{path} may hold secrets and is open to others; run chmod 600 {path}"


def _weak(settings: Settings) -> Iterator[str]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and 0 < len(value.get_secret_value()) < _SHORTEST_PASSWORD:
            yield (
                f"{PREFIX}{name.upper()} is shorter than {_SHORTEST_PASSWORD} characters; make it "
                "a random one"
            )


def _machine(settings: Settings) -> Iterator[str]:
    if _is_local(urlsplit(settings.clickhouse).hostname or "") and not landlock_version():
        yield (
            "this kernel has no Landlock (Linux 5.13): whoever may query an embedded ClickHouse "
            "reads the files of the user who runs it; use a ClickHouse of its own"
        )


def _is_local(host: str) -> bool:
    """Whether a name or address is of this machine alone."""
    if host in _LOCAL_NAMES:
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
