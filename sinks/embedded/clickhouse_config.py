"""config.xml and users.xml of the embedded ClickHouse server.

``default`` is the administrator and comes from loopback only. ``analyst`` reads database
``mailsla`` and nothing else: `readonly` 1 (no settings either), grants, limits and a quota.
Users live here because this server has no writable access storage: SQL ``CREATE USER`` fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

DEFAULT_MAX_MEMORY = 3 * 1024**3
"""Bytes the whole server may use."""

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
</clickhouse>
"""

_USERS = """<clickhouse>
    <profiles>
        <default/>
        <analyst>
            <readonly>1</readonly>
            <max_execution_time>60</max_execution_time>
            <max_memory_usage>{analyst_memory}</max_memory_usage>
        </analyst>
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
        <default>
            <password></password>
            <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
        </default>
        <analyst>
            <password></password>
            <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
            <profile>analyst</profile>
            <quota>analyst</quota>
            <grants><query>GRANT SELECT ON mailsla.*</query></grants>
        </analyst>
    </users>
</clickhouse>
"""


@dataclass(frozen=True)
class ServerConfig:
    """One server: its directory, its loopback ports and its memory limit in bytes."""

    data: Path
    http_port: int
    tcp_port: int
    max_memory: int = DEFAULT_MAX_MEMORY


def write_config(config: ServerConfig) -> None:
    """Write both files into the (made) data directory; older ones are replaced."""
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    (config.data / "config.xml").write_text(
        _CONFIG.format(
            log=escape(str(config.data / "server.log")),
            errorlog=escape(str(config.data / "server.err.log")),
            http_port=config.http_port,
            tcp_port=config.tcp_port,
            max_memory=config.max_memory,
        ),
        encoding="utf-8",
    )
    (config.data / "users.xml").write_text(
        _USERS.format(analyst_memory=config.max_memory // 3), encoding="utf-8"
    )
