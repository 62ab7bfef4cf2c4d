"""A batch cut at an offset, and a worker that starts itself again."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.faust_app.batches import RecordBatch

pytestmark = pytest.mark.slow


def batch(offsets):
    count = len(offsets)
    keys, values = [b"k%d" % o for o in offsets], [b"v%d" % o for o in offsets]
    offsets = np.array(offsets, dtype=np.int64)
    return RecordBatch("t", 1, offsets, keys, values, np.arange(count) * 1000, 1)


@given(st.sets(st.integers(0, 60), min_size=1, max_size=20), st.integers(0, 62))
def test_after_keeps_exactly_what_is_at_or_beyond_the_offset(offsets, start):
    whole = batch(sorted(offsets))
    rest = whole.after(start)
    kept = [offset for offset in sorted(offsets) if offset >= start]
    if not kept:
        assert rest is None
        return
    assert rest.offsets.tolist() == kept
    assert (rest.keys, rest.values) == ([b"k%d" % o for o in kept], [b"v%d" % o for o in kept])
    assert len(rest.timestamps_us) == len(rest) == len(kept)
    assert rest.next_offset == max(offsets) + 1 == whole.next_offset


@pytest.mark.parametrize(("kind", "by_broker"), [(0, False), (1, True)])
def test_only_log_append_time_is_the_broker_s(kind, by_broker):
    one = batch([1])
    stamped = RecordBatch("t", 0, one.offsets, one.keys, one.values, one.timestamps_us, kind)
    assert stamped.broker_time is by_broker


_PROGRAM = """
import os, sys
from streams.runtime.faust_app.restart import restart, settled
count = int(os.environ.get("MAILSLA_RESTARTS", "0"))
print(os.getpid(), count, *sys.argv[1:], flush=True)
if count < 2:
    restart("again")
settled()
print("MAILSLA_RESTARTS" in os.environ)
"""


def test_a_restart_is_the_same_process_and_command_and_is_forgotten_once_settled():
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, "worker", "streams"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    *runs, left = done.stdout.splitlines()
    assert [run.split()[1:] for run in runs] == [[str(n), "worker", "streams"] for n in range(3)]
    assert len({run.split()[0] for run in runs}) == 1
    assert left == "False"
