"""Starts the stack in order, watches it, stops it in reverse; nothing outlives it.

Broker and ClickHouse start together (neither needs the other), then whatever the plan adds, one
after the other. A worker that ends is started again after a pause, or stays down where that would
not help; each is said in a line. The end of the broker or of ClickHouse is the end of the stack,
with one sentence. Should the supervisor itself be killed, the kernel kills its children (`leash`);
the state file then stays behind and the next start replaces it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mailsla.sinks.embedded.brokers.broker import BrokerKind, is_broker_ready, make_broker
from mailsla.sinks.embedded.children import Child, Running
from mailsla.sinks.embedded.clickhouse.config import DEFAULT_MAX_MEMORY
from mailsla.sinks.embedded.clickhouse.server import find_wheel, is_serving
from mailsla.sinks.embedded.credentials import ensure_credentials
from mailsla.sinks.embedded.data_lock import data_lock
from mailsla.sinks.embedded.errors import StackError
from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port
from mailsla.sinks.embedded.restarts import Down, RestartPolicy
from mailsla.sinks.embedded.state_file import StackState, remove_state, write_state

STATE_NAME = "state.json"
"""The state file every stack has, in its data directory."""
_POLL_S = 0.05
_WATCH_S = 0.2


def _no_more_children(_: StackState) -> Iterable[Child]:
    return ()


@dataclass(frozen=True)
class StackPlan:
    """What to run and where; port 0 means any free one, ``web_port`` None means no web page.

    ``children`` is called with the addresses once broker and ClickHouse are ready (``pids`` holds
    those two) and yields the further processes in order; each is ready before the next is asked
    for, so a generator may create topics and tables in between.
    """

    data: Path
    broker: BrokerKind = "tansu"
    kafka_port: int = 0
    clickhouse_port: int = 0
    clickhouse_native_port: int = 0
    web_port: int | None = None
    max_memory: int = DEFAULT_MAX_MEMORY
    state_file: Path | None = None
    children: Callable[[StackState], Iterable[Child]] = _no_more_children


class _StopRequested(BaseException):
    """A stop signal while ``on_ready`` has the thread."""


class Supervisor:
    """The children, in the order of their first start."""

    def __init__(self, logs: Path, stop: threading.Event) -> None:
        self._logs = logs
        self._stop = stop
        self._running: list[Running] = []
        self._down: dict[str, Down] = {}
        """Children by name that ended since the stack was ready, until they are well again."""

    @property
    def pids(self) -> dict[str, int]:
        """Pids by name, this process as ``supervisor``."""
        return {"supervisor": os.getpid()} | {r.child.name: r.pid for r in self._running}

    @property
    def metrics(self) -> dict[str, str]:
        """Addresses of metrics and health by name."""
        addresses = {r.child.name: r.child.metrics for r in self._running}
        return {name: address for name, address in addresses.items() if address is not None}

    def start(self, *children: Child) -> None:
        """Start them together and wait until all are ready.

        Returns early when a stop is requested. Raises `StackError` when one ends or is late.
        """
        started = []
        for child in children:
            started.append(Running(child, self._logs))
            self._running.append(started[-1])
        for running in started:
            self._await_ready(running)

    def check(self) -> None:
        """Raise `StackError` naming the first child that has ended and its last log lines."""
        for running in self._running:
            if running.has_ended() and running.child.name not in self._down:
                raise StackError(
                    f"{running.child.name} (process {running.pid}) ended by itself with "
                    f"{running.how_it_ended()}; {running.log} ends: {running.last_lines()}"
                )

    def tend(self) -> Iterator[str]:
        """Start again what has ended and may be; a line for the terminal on whatever is done.

        Raises `StackError` for a child that is not to be started again.
        """
        now = time.monotonic()
        for place, running in enumerate(self._running):
            if not running.has_ended():
                continue
            child, policy = running.child, running.child.restarts
            if policy is None:
                self.check()
                return
            down = self._down.get(child.name)
            if down is None or running.started_at > down.ended_at:
                yield self._note_end(running, policy, now)
            elif down.due_at is not None and now >= down.due_at:
                self._running[place] = Running(child, self._logs)
                yield f"{child.name} is started again (process {self._running[place].pid})"

    def _note_end(self, running: Running, policy: RestartPolicy, now: float) -> str:
        name, before = running.child.name, self._down.get(running.child.name)
        ends = policy.ends_in_a_row(before.ends if before else 0, now - running.started_at)
        if running.process.returncode in policy.lasting:
            self._down[name] = Down(ends, now, None)
            return f"{name} stays down, the rest goes on: {running.last_words()}"
        pause_s = policy.pause_s(ends)
        self._down[name] = Down(ends, now, now + pause_s)
        return (
            f"{name} (process {running.pid}) ended with {running.how_it_ended()}; "
            f"started again in {pause_s:.0f} s; see {running.log}"
        )

    def stop_all(self) -> None:
        """Stop every child, the last started first."""
        while self._running:
            self._running[-1].stop()
            self._running.pop()

    def _await_ready(self, running: Running) -> None:
        deadline = time.monotonic() + running.child.ready_within_s
        while not self._stop.is_set():
            self.check()
            if running.child.ready():
                return
            if time.monotonic() > deadline:
                raise StackError(
                    f"{running.child.name} (process {running.pid}) was not ready within "
                    f"{running.child.ready_within_s:.0f} s; {running.log} ends: "
                    f"{running.last_lines()}"
                )
            self._stop.wait(_POLL_S)


def worker_child(
    name: str, state: StackState, *arguments: str, clickhouse_user: str | None = None
) -> Child:
    """A worker process ``mailsla worker NAME …`` against the stack of ``state``.

    Its metrics and health are at a free port. ``clickhouse_user`` is who it is to ClickHouse; None
    for one that has no business there.
    """
    port = resolve_port(0, f"the metrics of {name}")
    env = {
        "MAILSLA_KAFKA": state.kafka,
        "MAILSLA_CLICKHOUSE": state.clickhouse,
        "MAILSLA_METRICS_HOST": LOOPBACK,
        "MAILSLA_METRICS_PORT": str(port),
    }
    if clickhouse_user is not None:
        env["MAILSLA_CLICKHOUSE_USER"] = clickhouse_user
        env["MAILSLA_CLICKHOUSE_PASSWORD"] = state.clickhouse_users[clickhouse_user]
    return Child(
        name=name,
        argv=(sys.executable, "-m", "mailsla.streams.cli.main", "worker", name, *arguments),
        env=env,
        metrics=f"http://{LOOPBACK}:{port}",
        restarts=RestartPolicy(),
    )


@contextmanager
def started_stack(
    plan: StackPlan, stop: threading.Event | None = None
) -> Iterator[tuple[StackState, Supervisor]]:
    """The stack of ``plan``, ready on entry (unless ``stop`` was set), gone on exit.

    Must be entered from a thread that lives as long as the stack: a child dies with the thread
    that started it (see `leash`). Raises `StackError`.
    """
    stop = stop or threading.Event()
    data = plan.data.absolute()
    state_files = _state_files(plan)
    with data_lock(data):
        supervisor = Supervisor(data / "logs", stop)
        try:
            state = _start(plan, data, supervisor, stop)
            if not stop.is_set():
                for path in state_files:
                    write_state(path, state)
            yield state, supervisor
        finally:
            for path in state_files:
                remove_state(path, os.getpid())
            supervisor.stop_all()


def _state_files(plan: StackPlan) -> set[Path]:
    own = {plan.state_file} if plan.state_file else set()
    return {plan.data.absolute() / STATE_NAME, *own}


def _start(
    plan: StackPlan, data: Path, supervisor: Supervisor, stop: threading.Event
) -> StackState:
    kafka = resolve_port(plan.kafka_port, "the Kafka broker (--kafka-port)")
    http = resolve_port(plan.clickhouse_port, "ClickHouse (--clickhouse-port)")
    native = resolve_port(plan.clickhouse_native_port, "ClickHouse's native protocol")
    web = None if plan.web_port is None else resolve_port(plan.web_port, "the web (--web-port)")
    broker = make_broker(plan.broker)
    find_wheel()
    broker_child = Child(
        name="broker",
        argv=broker.prepare(data, kafka),
        env=broker.environment(),
        ready=lambda: is_broker_ready(kafka),
        ready_within_s=broker.ready_within_s,
    )
    clickhouse_child = _clickhouse_child(data / "clickhouse", http, native, plan.max_memory)
    supervisor.start(broker_child, clickhouse_child)
    state = StackState(
        kafka=f"{LOOPBACK}:{kafka}",
        clickhouse=f"http://{LOOPBACK}:{http}",
        clickhouse_native=f"{LOOPBACK}:{native}",
        clickhouse_users=dict(ensure_credentials(data / "clickhouse")),
        web=None if web is None else f"http://{LOOPBACK}:{web}",
        data=str(data),
        broker=plan.broker,
        pids=supervisor.pids,
    )
    if stop.is_set():
        return state
    for child in plan.children(state):
        supervisor.start(child)
        if stop.is_set():
            break
    return state.model_copy(update={"pids": supervisor.pids, "metrics": supervisor.metrics})


def _clickhouse_child(data: Path, http: int, native: int, max_memory: int) -> Child:
    return Child(
        name="clickhouse",
        argv=(
            *(
                sys.executable,
                "-m",
                "mailsla.sinks.embedded.clickhouse.server",
                "--data",
                str(data),
            ),
            *("--http-port", str(http), "--tcp-port", str(native)),
            *("--max-memory", str(max_memory)),
        ),
        ready=lambda: is_serving(http),
    )


def run_stack(
    plan: StackPlan,
    on_ready: Callable[[StackState], int | None],
    say: Callable[[str], object] = print,
) -> int:
    """Run the stack in the foreground until SIGTERM or SIGINT; main thread only.

    ``on_ready`` is called once everything is ready. When it returns a number the stack stops at
    once and that is the exit code; on None it stays up, and a requested stop gives 0. A stop
    signal interrupts ``on_ready``. ``say`` gets a line for each child that ended and what is done
    about it. Raises `StackError` when something cannot start, or one ends that is not restarted.
    """
    stop = threading.Event()
    with _stop_signals(stop) as section, started_stack(plan, stop) as (state, supervisor):
        if stop.is_set():
            return 0
        try:
            with section:
                code = on_ready(state)
        except _StopRequested:
            return 0
        except Exception:
            supervisor.check()  # a dead child explains the failure better
            raise
        if code is not None:
            return code
        while not stop.wait(_WATCH_S):
            for line in supervisor.tend():
                say(line)
                _update_states(plan, state, supervisor)
    return 0


def _update_states(plan: StackPlan, state: StackState, supervisor: Supervisor) -> None:
    """Processes started again have other numbers."""
    for path in _state_files(plan):
        write_state(path, state.model_copy(update={"pids": supervisor.pids}))


@contextmanager
def _stop_signals(stop: threading.Event) -> Iterator[_Interruptible]:
    """Turn both signals into ``stop``; inside the section they raise as well."""
    section = _Interruptible(stop)

    def handle(_signal: int, _frame: FrameType | None) -> None:
        stop.set()
        if section.active:
            section.active = False
            raise _StopRequested

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield section
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Interruptible:
    """A section of code that a stop signal may leave by `_StopRequested`."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.active = False

    def __enter__(self) -> None:
        self.active = True
        if self._stop.is_set():
            raise _StopRequested

    def __exit__(self, *_: object) -> None:
        self.active = False
