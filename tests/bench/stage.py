"""Where the benchmarks run: broker, ClickHouse, topics and tables of their own."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mailsla.sinks.clickhouse import Client, connect
from mailsla.sinks.embedded.brokers.broker import BrokerKind
from mailsla.sinks.embedded.children import Child, Running
from mailsla.sinks.schema import install_schema
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.runtime.kafka.admin import ensure_topics
from mailsla.streams.settings import Settings
from tests.embedded import embedded_stack

QUERY_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Stage:
    """A started stack: ``pids`` of broker and ClickHouse, ``scratch`` for what others write."""

    settings: Settings
    scratch: Path
    pids: Mapping[str, int]

    def client(self) -> Client:
        """A ClickHouse client that may do anything."""
        return connect(clickhouse_settings(self.settings, QUERY_TIMEOUT_S))

    @contextmanager
    def running(
        self, name: str, module: str, *arguments: str, stop_within_s: float = 5.0
    ) -> Iterator[Running]:
        """``python -m MODULE ARGUMENTS…`` against this stack, ended on exit."""
        variables = {
            "MAILSLA_KAFKA": self.settings.kafka,
            "MAILSLA_CLICKHOUSE": self.settings.clickhouse,
            "MAILSLA_CLICKHOUSE_USER": self.settings.clickhouse_user,
            "MAILSLA_CLICKHOUSE_PASSWORD": self.settings.clickhouse_password.get_secret_value(),
            "MAILSLA_SESSION_TIMEOUT_S": str(self.settings.session_timeout_s),
            "TMPDIR": str(self.scratch),
        }
        argv = (sys.executable, "-m", module, *arguments)
        child = Running(Child(name, argv, variables, stop_within_s=stop_within_s), self.scratch)
        try:
            yield child
        finally:
            child.stop()


@contextmanager
def new_stage(broker: BrokerKind) -> Iterator[Stage]:
    """A stack with topics and tables, ready on entry; nothing of it is left on exit."""
    with (
        TemporaryDirectory(prefix="mailsla-bench-", ignore_cleanup_errors=True) as data,
        embedded_stack(Path(data), broker) as state,
    ):
        settings = Settings.model_validate(
            {**state.access(), "partitions": 4, "session_timeout_s": 6.0}
        )
        ensure_topics(settings)
        scratch = Path(data) / "bench"
        scratch.mkdir()
        stage = Stage(settings, scratch, state.pids)
        install_schema(stage.client())
        yield stage


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def forget_peak(pid: int) -> None:
    """Let `peak_bytes` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_bytes(pid: int) -> int:
    """Most memory a process has held at once."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/{pid}/status does not tell the peak")
