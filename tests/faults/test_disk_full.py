"""The disk of the broker, or of ClickHouse, is full: all wait, and all of it comes later."""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest

from tests.faults.test_faults import SMALL_STEPS, publish
from tests.faults.test_outages import RECOVERY_S, SLOW
from tests.floods import MTA
from tests.stack import Stack, needs_kafka, say, wait_for
from tests.undisturbed import assert_all

DISK_BYTES = 400_000_000
EVENTS = 40_000

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600), SLOW]


@contextmanager
def small_disk(folder):
    """A disk of its own for a folder; skipped where nobody may mount one."""
    folder.mkdir(parents=True)
    command = ("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder))
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        sentence = f"a small disk cannot be mounted here: {mounted.stderr.strip()}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(sentence)
    try:
        yield folder
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


@contextmanager
def stack_on(data, service):
    """A stack of which one service has a small disk."""
    needs_kafka()
    with small_disk(data / service):
        stack = Stack(data, "kafka")
        try:
            yield stack.start()
        finally:
            stack.stop()


def fill(disk, left_bytes):
    """Leave so many bytes free; the file that takes the others."""
    filler = disk / "filler"
    with filler.open("wb") as target:
        os.posix_fallocate(target.fileno(), 0, shutil.disk_usage(disk).free - left_bytes)
    return filler


def test_the_broker_s_disk_is_full(tmp_path):
    with stack_on(tmp_path, "kafka") as stack:
        _, expected = publish(stack, "broker-full", EVENTS)
        filler = fill(tmp_path / "kafka", 3_000_000)
        with stack.workers("streams", "sinks", **SMALL_STEPS):
            wait_for(stack.broker.has_ended, 120, "the broker's end")
            filler.unlink()
            stack.broker.start()
            room, behind = time.monotonic(), stack.behind("streams", MTA)
            wait_for(lambda: stack.behind("streams", MTA) < behind, 60, "the worker goes on")
            took_s = time.monotonic() - room
            stack.drain(300)
            say(f"the broker ended; the worker goes on {took_s:.1f} s after it is back with room")
            assert took_s < RECOVERY_S
            assert_all(stack, expected)


def test_clickhouse_s_disk_is_full(tmp_path):
    with stack_on(tmp_path, "clickhouse") as stack:
        _, expected = publish(stack, "clickhouse-full", EVENTS)
        filler = fill(tmp_path / "clickhouse", 500_000)
        with stack.workers("streams", "sinks", **SMALL_STEPS) as (_, sinks):
            wait_for(lambda: "ClickHouse takes no rows" in sinks.log, 120, "it is said")
            wait_for(lambda: stack.behind("streams", MTA) == 0, 120, "the live worker's end")
            behind = stack.behind("sinks", MTA)
            assert behind > 0
            filler.unlink()
            room = time.monotonic()
            wait_for(lambda: stack.behind("sinks", MTA) < behind, 60, "the sinks go on")
            took_s = time.monotonic() - room
            stack.drain(300)
            say(f"{behind} records behind; the sinks go on {took_s:.1f} s after there is room")
            assert took_s < RECOVERY_S
            assert_all(stack, expected)
