"""What ``mailsla doctor`` says about settings that others could take advantage of."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from sinks.embedded.confinement import landlock_version
from streams.cli.checks import Finding
from streams.settings import PREFIX, Settings

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SHORTEST_PASSWORD: Final = 12
_FILES: Final = (f"{PREFIX}CONFIG", f"{PREFIX}STATE_FILE")


def security_findings(settings: Settings, state_file: Path | None = None) -> Iterator[Finding]:
    """One finding for each insecure setting; a single good one where there is none."""
    insecure = [
        *_kafka(settings),
        *_clickhouse(settings),
        *_web(settings),
        *_files(state_file),
        *_weak(settings),
        *_machine(settings),
    ]
    for detail in insecure:
        yield Finding("security", "note", detail)
    if not insecure:
        yield Finding("security", "ok", "nothing leaves this machine unencrypted")


def _kafka(settings: Settings) -> Iterator[str]:
    hosts = {
        address.strip().rpartition(":")[0].strip("[]") for address in settings.kafka.split(",")
    }
    remote = not hosts <= _LOOPBACK
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
    if address.scheme == "http" and address.hostname not in _LOOPBACK:
        yield f"ClickHouse at {settings.clickhouse} is reached unencrypted; use https://"
    if not settings.clickhouse_password.get_secret_value():
        yield "no password for ClickHouse; set MAILSLA_CLICKHOUSE_PASSWORD"


def _web(settings: Settings) -> Iterator[str]:
    if settings.web_host not in _LOOPBACK:
        yield (
            f"the web page is open to other machines (MAILSLA_WEB_HOST {settings.web_host}) and "
            "asks for no password; put a login in front of it"
        )


def _files(state_file: Path | None) -> Iterator[str]:
    named = [Path(os.environ[name]) for name in _FILES if os.environ.get(name)]
    for path in [*named, *([state_file] if state_file else [])]:
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield f"{path} may hold passwords and is open to others; run chmod 600 {path}"


def _weak(settings: Settings) -> Iterator[str]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and 0 < len(value.get_secret_value()) < _SHORTEST_PASSWORD:
            yield (
                f"{PREFIX}{name.upper()} is shorter than {_SHORTEST_PASSWORD} characters; make it "
                "a random one"
            )


def _machine(settings: Settings) -> Iterator[str]:
    if urlsplit(settings.clickhouse).hostname in _LOOPBACK and not landlock_version():
        yield (
            "this kernel has no Landlock (Linux 5.13): whoever may query an embedded ClickHouse "
            "reads the files of the user who runs it; use a ClickHouse of its own"
        )
