"""config.xml and users.xml of the embedded ClickHouse server.

Users live here because this server has no writable access storage: SQL ``CREATE USER`` fails.
Every user has a random password (`credentials`) and comes from loopback; ``operator`` may do
everything in the databases, the others what their role says (`mailsla.sinks.access.roles`); nobody
reaches a file, another server, a program or another user. ``default`` is the server's own session
and cannot be used from outside (`gate`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from mailsla.sinks.access.roles import ANALYST as ANALYST_ROLE
from mailsla.sinks.access.roles import CLOSER as CLOSER_ROLE
from mailsla.sinks.access.roles import (
    OWN_ROWS,
    READER,
    TENANT,
    TENANT_TABLES,
    TENANT_USER_PREFIX,
)
from mailsla.sinks.access.roles import WRITER as WRITER_ROLE
from mailsla.sinks.embedded.credentials import ANALYST, CLOSER, OPERATOR, WEB, WRITER

DEFAULT_MAX_MEMORY = 3 * 1024**3
"""Bytes the whole server may use."""
KEEPER_STOP = "keeper-stop"
"""Ends the server; its password never leaves the server process."""
DATABASE = "mailsla"
"""What the roles are for. The operator may make other databases."""

_CONFIG = """<clickhouse>
    <logger>
        <level>warning</level>
        <log>{log}</log>
        <errorlog>{errorlog}</errorlog>
        <size>10M</size>
        <count>3</count>
        <console>0</console>
    </logger>
    <listen_host>127.0.0.1</listen_host>
    <http_port>{http_port}</http_port>
    <tcp_port>{tcp_port}</tcp_port>
    <timezone>UTC</timezone>
    <max_server_memory_usage>{max_memory}</max_server_memory_usage>
    <mark_cache_size>268435456</mark_cache_size>
    <users_config>users.xml</users_config>
    <access_control_improvements>
        <select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>
        <select_from_information_schema_requires_grant>true</select_from_information_schema_requires_grant>
        <users_without_row_policies_can_read_rows>true</users_without_row_policies_can_read_rows>
    </access_control_improvements>
    <remote_url_allow_hosts></remote_url_allow_hosts>
    <storage_configuration>
        <disks><backups><type>local</type><path>{backups}/</path></backups></disks>
    </storage_configuration>
    <backups>
        <allowed_disk>backups</allowed_disk>
    </backups>
    <http_authentication_servers>
        <gate>
            <uri>http://127.0.0.1:{gate_port}/</uri>
            <connection_timeout_ms>5000</connection_timeout_ms>
            <receive_timeout_ms>5000</receive_timeout_ms>
            <send_timeout_ms>5000</send_timeout_ms>
            <max_tries>1</max_tries>
        </gate>
    </http_authentication_servers>
    <http_handlers>
        <!-- No browser: each of these headers is sent by pages, and by pages only. -->
        {no_browsers}
        <defaults/>
    </http_handlers>
</clickhouse>
"""
_NO_BROWSER = """<rule>
            <headers><{header}>regex:.+</{header}></headers>
            <handler>
                <type>static</type>
                <status>403</status>
                <response_content>This server answers no browser.</response_content>
            </handler>
        </rule>"""
_HEADERS_OF_BROWSERS = ("Origin", "Sec-Fetch-Site")

_USERS = """<clickhouse>
    <profiles>
        <default>
            {closed}
        </default>
        <analyst>
            <readonly>1</readonly>
            <max_execution_time>60</max_execution_time>
            <max_memory_usage>{analyst_memory}</max_memory_usage>
            {closed}
        </analyst>
        <web>
            <readonly>1</readonly>
            <max_memory_usage>{analyst_memory}</max_memory_usage>
            {closed}
        </web>
    </profiles>
    <quotas>
        <default/>
        <analyst>
            <interval>
                <duration>3600</duration>
                <queries>20000</queries>
                <execution_time>1800</execution_time>
            </interval>
        </analyst>
    </quotas>
    <users>
{users}
    </users>
</clickhouse>
"""
# The table function python() ends the process when asked by anybody but the engine's own session.
_CLOSED = """<allow_python_table_function>0</allow_python_table_function>
            <constraints>
                <allow_python_table_function><const/></allow_python_table_function>
            </constraints>"""
_USER = """        <{name}>
            {authentication}
            <networks><ip>127.0.0.1</ip></networks>
            <profile>{profile}</profile>
            <quota>{quota}</quota>
            <grants>{grants}</grants>{policies}
        </{name}>"""
_OWN_ROWS = "<databases><{database}>{tables}</{database}></databases>".format(
    database=DATABASE,
    tables="".join(f"<{table}><filter>{OWN_ROWS}</filter></{table}>" for table in TENANT_TABLES),
)
_OPERATOR_GRANTS = (
    "GRANT SELECT, INSERT, ALTER TABLE, ALTER VIEW, CREATE DATABASE, CREATE TABLE, CREATE VIEW,"
    " DROP DATABASE, DROP TABLE, DROP VIEW, TRUNCATE, OPTIMIZE, SHOW, KILL QUERY, BACKUP ON *.*",
    *(
        f"GRANT TABLE ENGINE ON {engine}"
        for engine in ("MergeTree", "ReplacingMergeTree", "AggregatingMergeTree", "Memory", "Null")
    ),
    "GRANT READ, WRITE ON DISK",  # the disk of the backups
    "GRANT SYSTEM MERGES, SYSTEM FLUSH LOGS, SYSTEM SYNC TRANSACTION LOG ON *.*",
)


@dataclass(frozen=True)
class ServerConfig:
    """One server: its directory, its loopback ports and its memory limit in bytes."""

    data: Path
    http_port: int
    tcp_port: int
    max_memory: int = DEFAULT_MAX_MEMORY
    tenants: tuple[str, ...] = ()
    """Tenants with a login ``tenant_ID`` of their own, to try the row policies with."""

    @property
    def tenant_users(self) -> tuple[str, ...]:
        """Their logins."""
        return tuple(f"{TENANT_USER_PREFIX}{tenant}" for tenant in self.tenants)

    @property
    def backups(self) -> Path:
        """Where ``BACKUP … TO Disk('backups', 'NAME')`` puts its archives."""
        return self.data / "backups"


def write_config(config: ServerConfig, passwords: Mapping[str, str], gate_port: int) -> None:
    """Write both files into the (made) data directory; older ones are replaced.

    Args:
        config: the server.
        passwords: those of `credentials.USERS` and of `KEEPER_STOP`; only their hashes are written.
        gate_port: the loopback port of the `gate`.

    """
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    config.backups.mkdir(exist_ok=True, mode=0o700)
    (config.data / "config.xml").write_text(
        _CONFIG.format(
            log=escape(str(config.data / "server.log")),
            errorlog=escape(str(config.data / "server.err.log")),
            http_port=config.http_port,
            tcp_port=config.tcp_port,
            max_memory=config.max_memory,
            backups=escape(str(config.backups)),
            gate_port=gate_port,
            no_browsers="\n        ".join(
                _NO_BROWSER.format(header=header) for header in _HEADERS_OF_BROWSERS
            ),
        ),
        encoding="utf-8",
    )
    (config.data / "users.xml").write_text(
        _USERS.format(
            analyst_memory=config.max_memory // 3,
            closed=_CLOSED,
            users="\n".join(_users(passwords, config.tenant_users)),
        ),
        encoding="utf-8",
    )


def _users(passwords: Mapping[str, str], tenants: Iterable[str]) -> Iterable[str]:
    gate = "<http_authentication><server>gate</server><scheme>basic</scheme></http_authentication>"
    yield _user("default", gate, ("GRANT SYSTEM LISTEN ON *.*",))
    stop = ("GRANT KILL QUERY ON *.*", "GRANT SELECT ON system.processes")
    yield _user(KEEPER_STOP, _hash(passwords[KEEPER_STOP]), stop)
    yield _user(OPERATOR, _hash(passwords[OPERATOR]), _OPERATOR_GRANTS)
    roles = (
        (WRITER, WRITER_ROLE, "default", "default"),
        (CLOSER, CLOSER_ROLE, "default", "default"),
        (ANALYST, ANALYST_ROLE, "analyst", "analyst"),
        (WEB, READER, "web", "default"),
    )
    for name, role, profile, quota in roles:
        grants = [grant.format(database=DATABASE) for grant in role.grants]
        yield _user(name, _hash(passwords[name]), grants, profile, quota)
    grants = [grant.format(database=DATABASE) for grant in TENANT.grants]
    for name in tenants:
        yield _user(name, _hash(passwords[name]), grants, "analyst", "analyst", _OWN_ROWS)


def _user(
    name: str,
    authentication: str,
    grants: Iterable[str],
    profile: str = "default",
    quota: str = "default",
    policies: str = "",
) -> str:
    return _USER.format(
        name=name,
        authentication=authentication,
        profile=profile,
        quota=quota,
        policies=policies,
        grants="".join(f"<query>{grant}</query>" for grant in grants),
    )


def _hash(password: str) -> str:
    """A hash without salt will do: the passwords are 256 random bits."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f"<password_sha256_hex>{digest}</password_sha256_hex>"
