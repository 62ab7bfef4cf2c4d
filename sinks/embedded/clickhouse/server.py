"""A full ClickHouse server on loopback, in this process, from the ``chdb-core`` wheel.

``python -m mailsla.sinks.embedded.clickhouse.server --data DIR [--http-port P] [--tcp-port P]``

Traps, each found by trial:

- Importing ``chdb`` starts a throw-away engine of its own: only the extension is loaded, under a
  stub package, with RTLD_DEEPBIND so that it finds its own allocator.
- ``config.xml`` is taken from the working directory.
- A server listens only while some query runs. The *keeper* is an endless sleep; ending it ends
  the server. Its failure comes back as an empty result, not an exception: any return nobody
  asked for is an error, and the reason stands on stderr.
- The keeper must be killed over HTTP. A ``KILL QUERY`` through the extension ends the keeper too,
  but the connection it opened keeps the server listening for ever.
- While a client keeps a connection open, the engine waits 5 s and then ends the whole process
  with exit code 1. The wait is cut short before that with exit code 0: nothing is lost, since an
  acknowledged insert is already on disk.
- The log level is not obeyed (Trace appears all the same): only rotation bounds the log.
- One process per directory (the server's own ``status`` lock). Data survive kill -9.
- The engine's own session is always ``default`` without a password: see `gate`.
- ``file()`` reads every file of the process for every user: see `confinement`. For the same reason
  the process runs with a small environment of its own (``/proc/self/environ``).
"""

from __future__ import annotations

import argparse
import base64
import ctypes
import importlib
import importlib.util
import os
import secrets
import signal
import sys
import sysconfig
import threading
import time
import types
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mailsla.sinks.embedded.clickhouse.config import (
    DEFAULT_MAX_MEMORY,
    KEEPER_STOP,
    ServerConfig,
    write_config,
)
from mailsla.sinks.embedded.confinement import Confinement, confine
from mailsla.sinks.embedded.credentials import ensure_credentials
from mailsla.sinks.embedded.errors import StackError
from mailsla.sinks.embedded.gate import Gate
from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port

_KEEPER = (
    "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; "
    "SELECT sleepEachRow(1) FROM numbers(1000000000000) SETTINGS max_block_size=1, "
    "function_sleep_max_microseconds_per_block=0, max_execution_time=0 FORMAT Null"
)
_KILL_KEEPER = "KILL QUERY WHERE user = '' AND query LIKE '%sleepEachRow(1)%' ASYNC"
_STOP_WITHIN_S = 3.0
_RTLD_DEEPBIND = 0x8
_ENVIRONMENT = frozenset({"PATH", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH"})
"""Variables the server keeps; none of them holds a secret."""
_SYSTEM_READABLE = (
    *("/usr", "/lib", "/lib64", "/sys", "/dev/null", "/dev/urandom", "/dev/random"),
    *("/etc/localtime", "/etc/timezone", "/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/hosts"),
    *("/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/loadavg", "/proc/uptime"),
    *("/proc/sys", "/proc/net", "/proc/diskstats", "/proc/mounts", "/proc/self"),
)


def find_wheel() -> Path:
    """The directory of the installed extension; `StackError` when the wheel is missing."""
    spec = importlib.util.find_spec("chdb")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(location) / "_chdb.abi3.so").is_file():
            return Path(location)
    raise StackError(
        "The embedded ClickHouse server is not installed; run `pip install 'mailsla[embedded]'`, "
        "or set MAILSLA_CLICKHOUSE to a running server."
    )


def is_serving(http_port: int) -> bool:
    """Whether a ClickHouse server answers on loopback ``http_port``."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{http_port}/ping", timeout=1.0) as reply:
            return bool(reply.read() == b"Ok.\n")
    except (OSError, ValueError):
        return False


def _load_extension(wheel: Path) -> Any:
    stub = types.ModuleType("chdb")
    stub.__path__ = [str(wheel)]
    sys.modules["chdb"] = stub
    ctypes.CDLL(str(wheel / "_chdb.abi3.so"), mode=sys.getdlopenflags() | _RTLD_DEEPBIND)
    extension = importlib.import_module("chdb._chdb")
    extension.set_signal_handlers_enabled(0)
    return extension


def _kill_keeper(http_port: int, password: str) -> None:
    login = base64.b64encode(f"{KEEPER_STOP}:{password}".encode()).decode()
    request = urllib.request.Request(
        f"http://{LOOPBACK}:{http_port}/",
        data=_KILL_KEEPER.encode(),
        headers={"Authorization": f"Basic {login}"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=2.0) as reply:  # noqa: S310
            reply.read()
    except OSError:
        return  # not listening yet, or no longer: the caller looks at the keeper


def serve(config: ServerConfig) -> None:
    """Serve until SIGTERM or SIGINT, then stop cleanly.

    Must run in the main thread of a process of its own, which it confines. Raises `StackError`
    when the server ended by itself; the reason is on stderr and in ``server.err.log``.
    """
    wheel = find_wheel()
    stop_password = secrets.token_urlsafe(32)
    passwords = {**ensure_credentials(config.data, config.tenant_users), KEEPER_STOP: stop_password}
    stop_signals = {signal.SIGTERM, signal.SIGINT}
    # Blocked, and the process confined, before any thread exists: every thread inherits both.
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    gate = Gate()
    write_config(config, passwords, gate.port)
    os.chdir(config.data)
    _confine(config, wheel, gate.port)
    gate.open()
    keeper = _start_keeper(_load_extension(wheel), config)
    while True:
        # Stopped and continued past its time-out the call may answer with no signal of ours.
        received = signal.sigtimedwait(stop_signals, 0.5)
        if received is not None and received.si_signo in stop_signals:
            break
        if not keeper.is_alive():
            raise StackError(
                f"The ClickHouse server in {config.data} has ended by itself; "
                "its last lines on stderr say why."
            )
    _stop(keeper, config.http_port, stop_password)


def _start_keeper(extension: Any, config: ServerConfig) -> threading.Thread:
    keeper = threading.Thread(
        target=extension.query,
        args=(_KEEPER, "TabSeparated"),
        kwargs={"path": str(config.data)},
        daemon=True,
    )
    keeper.start()
    return keeper


def _confine(config: ServerConfig, wheel: Path, gate_port: int) -> None:
    """What the engine needs: its directory, its libraries, facts about the machine, its ports."""
    python = (sys.prefix, sys.base_prefix, *sysconfig.get_paths().values())
    confined = confine(
        Confinement(
            readable=tuple(map(Path, {*_SYSTEM_READABLE, *python, str(wheel)})),
            writable=(config.data, Path("/dev/null")),
            bind_ports=(config.http_port, config.tcp_port),
            connect_ports=(config.http_port, gate_port),
        )
    )
    if not confined:
        sys.stderr.write(
            "This kernel has no Landlock: whoever may query the embedded ClickHouse can read the "
            "files of the user who runs it.\n"
        )


def _stop(keeper: threading.Thread, http_port: int, password: str) -> None:
    deadline = time.monotonic() + _STOP_WITHIN_S
    while keeper.is_alive() and time.monotonic() < deadline:
        # Repeated: the signal may have come before the server listened.
        _kill_keeper(http_port, password)
        keeper.join(0.2)
    if keeper.is_alive():
        os._exit(0)


def _shed_environment() -> None:
    """Become the same program with `_ENVIRONMENT` alone; the pid and its leash stay."""
    kept = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT}
    if kept.keys() != os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], kept)  # noqa: S606


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mailsla.sinks.embedded.clickhouse.server")
    parser.add_argument("--data", type=Path, required=True, help="data directory")
    parser.add_argument("--http-port", type=int, default=8123, help="0 takes any free port")
    parser.add_argument("--tcp-port", type=int, default=9000, help="0 takes any free port")
    parser.add_argument(
        "--max-memory", type=int, default=DEFAULT_MAX_MEMORY, help="bytes the server may use"
    )
    parser.add_argument(
        "--tenant", action="append", default=[], help="a tenant that gets a login, tenant_ID"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: prints the addresses, serves; 0 after a requested stop, 1 otherwise."""
    _shed_environment()
    os.umask(0o077)
    arguments = _arguments(argv)
    try:
        config = ServerConfig(
            data=arguments.data.absolute(),
            http_port=resolve_port(arguments.http_port, "ClickHouse HTTP (--http-port)"),
            tcp_port=resolve_port(arguments.tcp_port, "ClickHouse native (--tcp-port)"),
            max_memory=arguments.max_memory,
            tenants=tuple(arguments.tenant),
        )
        sys.stdout.write(f"http {LOOPBACK}:{config.http_port}\n")
        sys.stdout.write(f"native {LOOPBACK}:{config.tcp_port}\n")
        sys.stdout.flush()
        serve(config)
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
