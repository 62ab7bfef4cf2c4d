"""State file, data lock, ports, children: the parts of the embedded stack without a server."""

import os
import socket
import stat
import subprocess
import sys
import threading

import pytest

from mailsla.sinks.embedded import ports
from mailsla.sinks.embedded.brokers import apache_kafka, kafka_jars
from mailsla.sinks.embedded.children import Child
from mailsla.sinks.embedded.data_lock import data_lock
from mailsla.sinks.embedded.errors import StackError
from mailsla.sinks.embedded.leash import leashed
from mailsla.sinks.embedded.ports import LOOPBACK, is_free, resolve_port
from mailsla.sinks.embedded.state_file import StackState, read_state, remove_state, write_state
from mailsla.sinks.embedded.supervisor import Supervisor

pytestmark = pytest.mark.slow

STATE = StackState(
    kafka="127.0.0.1:1",
    clickhouse="http://127.0.0.1:2",
    clickhouse_native="127.0.0.1:3",
    web="http://127.0.0.1:4",
    data="/d",
    pids={"supervisor": 42},
)


def test_a_written_state_reads_back_and_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "run" / "state.json"
    write_state(path, STATE)
    assert read_state(path) == STATE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["state.json"]


def test_a_stack_removes_its_own_state_file_but_not_a_later_stack_s(tmp_path):
    path = tmp_path / "state.json"
    write_state(path, STATE)
    remove_state(path, pid=43)
    assert path.exists()
    remove_state(path, pid=42)
    assert not path.exists()
    remove_state(path, pid=42)


@pytest.mark.parametrize(("content", "says"), [(None, "mailsla up"), ("{}", "start the stack")])
def test_a_missing_or_foreign_state_file_is_one_sentence(tmp_path, content, says):
    path = tmp_path / "state.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(StackError, match=says):
        read_state(path)


def test_a_held_data_directory_is_refused_naming_the_holder_and_free_again_after(tmp_path):
    refused = pytest.raises(StackError, match=f"process {os.getpid()};")
    with data_lock(tmp_path / "d"), refused, data_lock(tmp_path / "d"):
        pytest.fail("the directory was locked twice")
    with data_lock(tmp_path / "d"):
        pass


def test_a_taken_port_is_named_with_its_option():
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=rf"Port {port} for X \(--x\) is already in use"):
            resolve_port(port, "X (--x)")
    assert is_free(resolve_port(0, "X"))
    with pytest.raises(StackError, match="between 1 and 65535"):
        resolve_port(70_000, "X")


def test_no_port_is_drawn_twice_before_its_server_listens(monkeypatch):
    here = resolve_port(0, "the first")
    around = range(here, here + 20)
    monkeypatch.setattr(ports, "_FREE_RANGE", around)
    draw = "from mailsla.sinks.embedded import ports; import sys; ports._FREE_RANGE = range({}, {})"
    draw += "\nprint(*[ports.resolve_port(0, 'X') for _ in range(4)], flush=True); input()"
    pipe, argv = subprocess.PIPE, (sys.executable, "-c", draw.format(around.start, around.stop))
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as other:
        theirs = [int(port) for port in other.stdout.readline().split()]
        drawn = [here, *theirs, *(resolve_port(0, "X") for _ in range(4))]
        other.communicate("\n")
    assert len(set(drawn)) == len(drawn) == 9


def test_missing_java_and_maven_say_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(StackError, match="install Java 17"):
        apache_kafka.find_java()
    with pytest.raises(StackError, match="install Maven"):
        kafka_jars.kafka_jars()


def test_an_old_java_is_refused_with_its_version(tmp_path, monkeypatch):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(StackError, match="found 8"):
        apache_kafka.find_java()


def python(code):
    return (sys.executable, "-I", "-c", code)


def test_a_child_that_ends_is_reported_with_its_code_and_last_lines(tmp_path):
    supervisor = Supervisor(tmp_path, threading.Event())
    child = Child(
        "broken", python("print('first'); print('the disk is full'); raise SystemExit(3)")
    )
    never = Child("broken", child.argv, ready=lambda: False)
    with pytest.raises(StackError, match=r"^broken \(process \d+\) .*exit code 3.*disk is full$"):
        supervisor.start(never)
    supervisor.stop_all()


def test_a_child_that_is_never_ready_is_reported_and_stopped(tmp_path):
    supervisor = Supervisor(tmp_path, threading.Event())
    child = Child(
        "slow", python("import time; time.sleep(600)"), ready=lambda: False, ready_within_s=0.2
    )
    with pytest.raises(StackError, match=r"slow \(process \d+\) was not ready within"):
        supervisor.start(child)
    pid = supervisor.pids["slow"]
    supervisor.stop_all()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_children_stop_in_reverse_order_and_a_deaf_one_is_killed(tmp_path):
    log = tmp_path / "order"
    code = (
        "import signal,sys,time\n"
        "def end(*_):\n"
        "    open(sys.argv[1],'a').write(sys.argv[2]); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "open(sys.argv[1]+sys.argv[2],'w')\n"
        "time.sleep(600)"
    )
    deaf = "import signal,sys,time; signal.signal(15, signal.SIG_IGN); open(sys.argv[1],'w')\n"
    supervisor = Supervisor(tmp_path / "logs", threading.Event())
    for name in ("a", "b"):
        argv = (*python(code), str(log), name)
        supervisor.start(Child(name, argv, ready=(tmp_path / f"order{name}").exists))
    argv = (*python(deaf + "time.sleep(600)"), str(tmp_path / "deaf"))
    supervisor.start(Child("deaf", argv, ready=(tmp_path / "deaf").exists, stop_within_s=0.2))
    pid = supervisor.pids["deaf"]
    supervisor.stop_all()
    assert log.read_text() == "ba"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_leashed_program_whose_parent_is_already_gone_does_not_start():
    argv = leashed(python("print('started')"))
    argv[argv.index(str(os.getpid()))] = "1"  # a pid that is not the parent's
    if os.getpid() == 1:
        pytest.fail("the test cannot run as process 1")
    outcome = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert outcome.returncode == 1
    assert outcome.stdout == ""
    assert "supervisor ended" in outcome.stderr


def test_a_program_that_does_not_exist_is_named(tmp_path):
    supervisor = Supervisor(tmp_path, threading.Event())
    with pytest.raises(StackError, match="no-such-program: No such file"):
        supervisor.start(Child("x", ("no-such-program",), ready=lambda: False))
    supervisor.stop_all()
