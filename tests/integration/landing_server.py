"""A real ClickHouse server for the landing and migration tests; it may be killed and restarted."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np

from mailsla.sinks.clickhouse import ClickHouseSettings, connect
from mailsla.sinks.embedded.clickhouse.server import is_serving
from mailsla.sinks.embedded.credentials import OPERATOR, ensure_credentials
from mailsla.sinks.embedded.leash import leashed
from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port


def wait_for(condition, within_s=60.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


class ClickHouseProcess:
    """The embedded server on a data directory; ``port`` stays over restarts.

    ``tenants`` get logins of their own, ``tenant_ID``.
    """

    def __init__(self, data, tenants=()):
        self.data, self._tenants = data, tenants
        self.port = resolve_port(0, "HTTP")
        self.tcp_port = resolve_port(0, "native")
        self._process = None

    def start(self):
        program = [sys.executable, "-m", "mailsla.sinks.embedded.clickhouse.server"]
        places = ["--data", str(self.data), "--http-port", str(self.port)]
        logins = [word for tenant in self._tenants for word in ("--tenant", tenant)]
        self._process = subprocess.Popen(
            leashed([*program, *places, "--tcp-port", str(self.tcp_port), *logins]),
            env=os.environ | {"PYTHONPATH": os.getcwd()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: self._process.poll() is not None or is_serving(self.port))
        assert self._process.poll() is None, "the ClickHouse server did not start"

    def kill(self):
        self._process.kill()
        self._process.wait()

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()

    def settings(self, database="mailsla", user=OPERATOR, **changes):
        password = ensure_credentials(self.data).get(user, "")
        own = {"url": f"http://{LOOPBACK}:{self.port}", "user": user, "password": password}
        return ClickHouseSettings(**{"database": database, **own, **changes})

    @property
    def variables(self):
        """How a command finds this server."""
        settings = self.settings()
        return {
            "MAILSLA_CLICKHOUSE": settings.url,
            "MAILSLA_CLICKHOUSE_USER": settings.user,
            "MAILSLA_CLICKHOUSE_PASSWORD": settings.password.get_secret_value(),
        }

    def connect(self, database="mailsla", **changes):
        return connect(self.settings(database, **changes))


@dataclass
class Batch:
    """Records of one partition as the consumer hands them over."""

    topic: str
    values: list
    partition: int = 0
    first_offset: int = 0
    timestamp_us: int = 1_793_000_000_000_000
    timestamp_type: int = 1
    unreadable: dict = field(default_factory=dict)

    @property
    def offsets(self):
        return np.arange(self.first_offset, self.first_offset + len(self.values), dtype=np.int64)

    @property
    def timestamps_us(self):
        return np.full(len(self.values), self.timestamp_us, dtype=np.int64)
