"""Configuration: ``MAILSLA_*`` variables, an optional file, the state file of a stack."""

import json
import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from mailsla.schemas.codec.yaml_text import load_yaml

PREFIX: Final = "MAILSLA_"
DEFAULT_KAFKA: Final = "127.0.0.1:29092"
DEFAULT_CLICKHOUSE: Final = "http://127.0.0.1:28123"
DEFAULT_STATE: Final = Path("~/.local/share/mailsla/state.json")
"""The state file of a ``mailsla up`` with its default data directory."""

_CONFIG: Final = f"{PREFIX}CONFIG"
_OTHER_VARIABLES: Final = frozenset(
    {_CONFIG, *(f"{PREFIX}{name}" for name in ("STATE_FILE", "RESTARTS", "KAFKA_AWAY"))}
)
"""Variables that say where settings stand, or that a worker leaves to its successor."""
_SIMILAR: Final = 0.88
"""So alike, of 1, a variable must be to a known one to be a misspelling: others may be somebody
else's."""
_SIMILAR_KEY: Final = 0.6
"""The same of a key of the configuration file, which is ours."""


class ConfigurationError(Exception):
    """Wrong or missing configuration; the message says what to change."""


class Settings(BaseSettings):
    """Every setting of mailsla; each is read from ``MAILSLA_<NAME>``."""

    # A refused value may hold a password: it must not come back in the error's text.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    kafka: Annotated[str, Field(description="Kafka bootstrap servers, host:port[,host:port]")] = (
        DEFAULT_KAFKA
    )
    kafka_user: Annotated[str | None, Field(description="SASL user, if the broker asks")] = None
    kafka_password: Annotated[SecretStr | None, Field(description="SASL password")] = None
    kafka_security: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Field(description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"],
        Field(description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"),
    ] = "SCRAM-SHA-512"
    kafka_token_file: Annotated[
        Path | None,
        Field(description="file holding the OAUTHBEARER token; read at every connection"),
    ] = None
    kafka_ca_file: Annotated[
        Path | None,
        Field(description="PEM file of the authorities trusted for Kafka, else the system's"),
    ] = None
    kafka_cert_file: Annotated[
        Path | None, Field(description="PEM file of this program's certificate for Kafka")
    ] = None
    kafka_key_file: Annotated[
        Path | None, Field(description="PEM file of its private key, if not in the same file")
    ] = None
    kafka_key_password: Annotated[
        SecretStr | None, Field(description="password of that private key")
    ] = None
    clickhouse: Annotated[
        str, Field(description="ClickHouse HTTP address, http(s)://host:port, no credentials in it")
    ] = DEFAULT_CLICKHOUSE
    clickhouse_user: Annotated[str, Field(description="ClickHouse user")] = "default"
    clickhouse_password: Annotated[SecretStr, Field(description="its password")] = SecretStr("")
    clickhouse_ca_file: Annotated[
        Path | None,
        Field(description="PEM file of the authorities trusted for ClickHouse, else the system's"),
    ] = None
    clickhouse_database: Annotated[
        str, Field(description="ClickHouse database", pattern="^[A-Za-z_][A-Za-z0-9_]*$")
    ] = "mailsla"
    partitions: Annotated[
        int, Field(ge=1, le=1024, description="partitions of every event and result topic")
    ] = 4
    replication: Annotated[int, Field(ge=1, le=9, description="replicas of every topic")] = 1
    delivery: Annotated[
        Literal["auto", "transactions", "ordered"],
        Field(description="auto, transactions or ordered: how a checkpoint is made atomic"),
    ] = "auto"
    session_timeout_s: Annotated[
        float, Field(gt=0, le=300, description="consumer group session time-out, seconds")
    ] = 10.0
    checkpoint_s: Annotated[
        float,
        Field(
            gt=0,
            le=60,
            description="seconds between checkpoints; a fifth of a second for urgent news",
        ),
    ] = 1.0
    checkpoint_events: Annotated[
        int, Field(ge=1_000, description="events after which a checkpoint is due at once")
    ] = 200_000
    lateness_s: Annotated[
        float, Field(ge=0, le=86_400, description="how late an event may be for short windows")
    ] = 120.0
    source_silence_s: Annotated[
        float,
        Field(
            gt=0,
            le=86_400,
            description=(
                "seconds in which nothing came of a source until its messages in flight are judged "
                "without it"
            ),
        ),
    ] = 900.0
    live_messages: Annotated[
        int,
        Field(ge=1_000, description="messages one task remembers to recognise repeated ones"),
    ] = 5_000_000
    unknown_tenants: Annotated[
        int, Field(ge=1, description="tenants without a contract for which a task has room")
    ] = 1_000
    tenant_events: Annotated[
        int,
        Field(ge=0, description="events of a tenant and day that are taken, but mail; 0: all"),
    ] = 0
    address_key: Annotated[
        SecretStr | None,
        Field(description="key; set, addresses of people are stored hashed with it", min_length=16),
    ] = None
    recovery_s: Annotated[
        float, Field(gt=0, description="deadline for reading the state back, seconds")
    ] = 300.0
    watchdog_s: Annotated[
        float,
        Field(
            gt=0,
            description=(
                "seconds in which nothing of a growing partition was committed that end the worker"
            ),
        ),
    ] = 300.0
    fetch_bytes: Annotated[
        int, Field(ge=65_536, description="most bytes fetched from one partition at a time")
    ] = 4_194_304
    maillog_tenants: Annotated[
        Path | None,
        Field(description="map of mail domains to tenants; set, raw.maillog is assembled"),
    ] = None
    maillog_zone: Annotated[
        str, Field(description="time zone of mail-log stamps that name none")
    ] = "UTC"
    maillog_own_relays: Annotated[
        str, Field(description="own relays and content filters, host[:port][,…]")
    ] = ""
    maillog_mailbox_stores: Annotated[
        str,
        Field(description="hosts reached by SMTP that keep the mailboxes, host[:port][,…]"),
    ] = ""
    maillog_queue_lifetime_days: Annotated[
        float,
        Field(gt=0, le=100, description="Postfix's maximal_queue_lifetime, days"),
    ] = 5.0
    keep_days: Annotated[
        str,
        Field(description="days for which tables keep rows, windows=400,mta_events=800; else ever"),
    ] = ""
    close_after_h: Annotated[
        float,
        Field(
            ge=0,
            description=(
                "hours from a month's end everywhere until worker closer closes it; by default as "
                "long as a queue keeps a message"
            ),
        ),
    ] = 120.0
    web_host: Annotated[str, Field(min_length=1, description="address the web page listens on")] = (
        "127.0.0.1"
    )
    web_port: Annotated[int, Field(ge=1, le=65_535, description="port of the web page")] = 28080
    provider_name: Annotated[str, Field(description="the provider's name, on statements")] = ""
    provider_logo: Annotated[
        Path | None, Field(description="its logo, on statements: SVG, PNG or JPEG up to 200 kB")
    ] = None
    web_token: Annotated[
        SecretStr | None,
        Field(
            description="token (bearer, or password) of the web page; needed beyond loopback",
            min_length=16,
        ),
    ] = None
    web_tenant_tokens: Annotated[
        Path | None,
        Field(description="file (YAML) of tenant: token, for visitors who see that tenant alone"),
    ] = None
    web_role_header: Annotated[
        str, Field(description="header in which a trusted proxy says desk or tenant:ID")
    ] = ""
    web_proxies: Annotated[
        str, Field(description="addresses of the proxies whose header is believed, a[/n],…")
    ] = "127.0.0.1,::1"
    web_statements: Annotated[
        Path | None,
        Field(description="directory of statement --all, whose statements the web page opens"),
    ] = None
    notify_routes: Annotated[
        Path | None, Field(description="file with the routes of notifications (worker notify)")
    ] = None
    metrics_host: Annotated[
        str, Field(min_length=1, description="address for /metrics, /live and /ready of a worker")
    ] = "127.0.0.1"
    metrics_port: Annotated[
        int, Field(ge=0, le=65_535, description="port for them; 0 = any free one, told in the log")
    ] = 0
    log_format: Annotated[
        Literal["console", "json"],
        Field(description="a worker's log: console (lines for people) or json"),
    ] = "console"
    log_level: Annotated[
        str, Field(description="logging level", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    ] = "INFO"

    @field_validator("kafka")
    @classmethod
    def _addresses(cls, value: str) -> str:
        if "@" in value:
            raise ValueError(
                "take the credentials out of the address; "
                "set MAILSLA_KAFKA_USER and MAILSLA_KAFKA_PASSWORD"
            )
        for address in value.split(","):
            host, _, port = address.strip().rpartition(":")
            if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
                raise ValueError("write it as host:port[,host:port]")
        return value

    @field_validator("clickhouse")
    @classmethod
    def _no_credentials(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            raise ValueError("write it as http://host:port") from None
        if port == 0 or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("write it as http://host:port")
        if parts.username or parts.password:
            raise ValueError(
                "take the credentials out of the address; "
                "set MAILSLA_CLICKHOUSE_USER and MAILSLA_CLICKHOUSE_PASSWORD"
            )
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then variables, then the file named by ``MAILSLA_CONFIG``."""
        sources = [init_settings, env_settings]
        if path := os.environ.get(_CONFIG):
            sources.append(InitSettingsSource(settings_cls, _read_config(Path(path), settings_cls)))
        return tuple(sources)


def load(state_file: Path | None = None, **overrides: Any) -> Settings:
    """Settings of this process.

    A state file (argument, ``MAILSLA_STATE_FILE``, else that of a ``mailsla up`` in its default
    data directory) gives the addresses of a running stack and the user of its ClickHouse; explicit
    ``MAILSLA_KAFKA`` / ``MAILSLA_CLICKHOUSE`` win over it unless it was an argument.

    Raises:
        ConfigurationError: unreadable file or an invalid value, naming the variable.
    """
    named = state_file or _path_from_environment()
    wanted = [key for key in _ADDRESSES if not overrides.keys() & set(_ADDRESSES[key])]
    if state_file is None:
        wanted = [key for key in wanted if not _from_environment(_ADDRESSES[key])]
    if named is None and len(wanted) == len(_ADDRESSES) and _default_state().is_file():
        named = _default_state()
    addresses: dict[str, Any] = {}
    if named is not None and wanted:
        state = _read_state(named)
        addresses = {key: state[key] for what in wanted for key in _ADDRESSES[what] if key in state}
    _refuse_misspelt()
    try:
        return Settings(**{**addresses, **overrides})
    except ValidationError as error:
        raise ConfigurationError(_explain(error)) from None


_ADDRESSES: Final = {
    "kafka": ("kafka",),
    "clickhouse": ("clickhouse", "clickhouse_user", "clickhouse_password"),
}
"""What a state file tells together: an address, and who may use it."""


def _from_environment(names: Iterable[str]) -> bool:
    return any(f"{PREFIX}{name.upper()}" in os.environ for name in names)


def _default_state() -> Path:
    return DEFAULT_STATE.expanduser()


def _read_config(path: Path, settings: type[BaseSettings]) -> dict[str, Any]:
    """The settings of the file that ``MAILSLA_CONFIG`` names."""
    try:
        found = next(load_yaml(path.read_text(encoding="utf-8")), None) or {}
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{_CONFIG} names {path}, which is no readable file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigurationError(
            f"{path} is not valid YAML{line} ({problem}); mend the text"
        ) from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} holds no settings; write lines such as kafka: host:port")
    for name in found:
        if name not in settings.model_fields:
            meant = _nearest(str(name), settings.model_fields, _SIMILAR_KEY)
            hint = f"; did you mean {meant}?" if meant else "; mailsla config lists all"
            raise ConfigurationError(f"{path} holds an unknown setting {str(name)[:64]}{hint}")
    return found


def unknown_variables() -> dict[str, str]:
    """``MAILSLA_*`` variables that nothing reads → the one probably meant, or an empty text."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | _OTHER_VARIABLES
    given = (name for name in os.environ if name.startswith(PREFIX) and name not in known)
    return {name: _nearest(name, known, _SIMILAR) for name in given}


def _refuse_misspelt() -> None:
    """A variable spelt nearly like a setting would be ignored, and the setting stay as it was."""
    for name, meant in unknown_variables().items():
        if meant:
            raise ConfigurationError(f"there is no setting {name}; did you mean {meant}?")


def _nearest(name: str, known: Iterable[str], similar: float) -> str:
    """The known name that was probably meant, or an empty text."""
    near = get_close_matches(name, sorted(known), n=1, cutoff=similar)
    return near[0] if near else ""


def _path_from_environment() -> Path | None:
    value = os.environ.get(f"{PREFIX}STATE_FILE")
    return Path(value) if value else None


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = {"kafka": str(state["kafka"]), "clickhouse": str(state["clickhouse"])}
        if user := state.get("clickhouse_user"):
            found["clickhouse_user"] = str(user)
            found["clickhouse_password"] = str(state["clickhouse_users"][user])
        return found
    except FileNotFoundError:
        raise ConfigurationError(
            f"no state file at {path}; start a stack with: mailsla up --state-file {path}"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is no state file of mailsla up ({type(error).__name__}); name the right file"
        ) from None


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name = "_".join(str(part) for part in first["loc"])
    reason = str(first["msg"]).removeprefix("Value error, ")
    return f"{PREFIX}{name.upper()}: {reason}"
