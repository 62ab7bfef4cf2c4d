"""What becomes of a child that ends: started again after a pause, or left down."""

import sys
import threading
import time
from pathlib import Path

import pytest

from mailsla.sinks.embedded.children import Child
from mailsla.sinks.embedded.errors import StackError
from mailsla.sinks.embedded.restarts import RestartPolicy
from mailsla.sinks.embedded.supervisor import Supervisor

QUICK = RestartPolicy(first_s=0.05, longest_s=0.2)


def python(code, *arguments):
    return (sys.executable, "-I", "-c", code, *map(str, arguments))


@pytest.fixture
def supervisor(tmp_path):
    made = Supervisor(tmp_path / "logs", threading.Event())
    yield made
    made.stop_all()


def lines_until(supervisor, condition, within_s=20.0):
    said, deadline = [], time.monotonic() + within_s
    while not condition(said):
        assert time.monotonic() < deadline, said
        said += supervisor.tend()
    return said


def test_the_pause_doubles_and_a_good_run_begins_anew():
    policy = RestartPolicy()
    assert [policy.pause_s(ends) for ends in (1, 2, 3, 9)] == [1, 2, 4, 30]
    assert policy.ends_in_a_row(5, 10.0) == 6
    assert policy.ends_in_a_row(5, 61.0) == 1


def test_a_child_that_dies_is_started_again_while_the_others_go_on(supervisor, tmp_path):
    # Ends twice, then stays.
    code = (
        "import pathlib,sys,time\n"
        "p = pathlib.Path(sys.argv[1]); n = len(p.read_text()) if p.exists() else 0\n"
        "p.write_text('x' * (n + 1))\n"
        "sys.exit(1) if n < 2 else time.sleep(600)"
    )
    count = tmp_path / "count"
    other = Child("other", python("import time; time.sleep(600)"), restarts=QUICK)
    supervisor.start(other, Child("frail", python(code, count), restarts=QUICK))
    before = supervisor.pids
    said = lines_until(supervisor, lambda said: count.exists() and count.read_text() == "xxx")
    assert [line.partition(" (")[0] for line in said] == ["frail", "frail is started again"] * 2
    assert "ended with exit code 1; started again in" in said[0]
    assert supervisor.pids["other"] == before["other"]
    assert supervisor.pids["frail"] != before["frail"]


def test_a_child_that_cannot_go_on_stays_down_with_its_sentence(supervisor, tmp_path):
    starts = Path(tmp_path / "starts")
    code = (
        "import sys; open(sys.argv[1], 'a').write('x')\n"
        "print('2026-10-01 CRITICAL r: mailsla: the table is gone; run mailsla migrate')\n"
        "sys.exit(3)"
    )
    supervisor.start(Child("sinks", python(code, starts), restarts=QUICK))
    said = lines_until(supervisor, bool)
    assert said == ["sinks stays down, the rest goes on: the table is gone; run mailsla migrate"]
    assert not list(supervisor.tend())
    assert starts.read_text() == "x"
    supervisor.check()  # it is no reason to end the stack


def test_a_child_without_a_policy_is_the_end_of_the_stack(supervisor):
    supervisor.start(Child("broker", python("raise SystemExit(1)")))
    with pytest.raises(StackError, match="broker"):
        lines_until(supervisor, bool)
