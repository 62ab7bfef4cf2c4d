"""Checkpoints of tasks that are given up: partitions that move do not wait for them without end."""

import asyncio
import logging

import numpy as np
import pytest
from postfix_corpus import LONG_ID_LOG, SITE, raw_lines

from mailsla.schemas.topics import RAW_MAILLOG
from mailsla.streams.live.checkpoint import in_flight
from mailsla.streams.live.checkpoint.in_flight import Deliveries
from mailsla.streams.maillog.task import MaillogTask
from mailsla.streams.maillog.worker import MaillogTasks
from mailsla.streams.runtime.checkpoint.contents import Checkpoint
from mailsla.streams.runtime.checkpoint.writer import Fenced
from mailsla.streams.runtime.faust_app.batches import LOG_APPEND_TIME, RecordBatch
from mailsla.streams.settings import Settings

NOW_US = 1_795_400_000_000_000


class Broker:
    """Takes checkpoints, refuses those of some tasks, and never answers those of others."""

    name = "transactions"

    def __init__(self, refused=(), unanswered=()):
        self.refused, self.unanswered, self.taken = refused, unanswered, []

    async def deliver(self, task, records, head, offsets):
        if task in self.unanswered:
            await asyncio.Event().wait()
        if task in self.refused:
            raise Fenced(f"task {task} is another's")
        self.taken.append((task, records))


class Ending:
    """A task with something that is not durable."""

    def __init__(self, partition):
        self.partition = partition

    def checkpoint(self, now, everything):
        return Checkpoint([f"last of {self.partition}"], None, {}, {})


async def finish(broker, tasks, moving=False, ending=False):
    deliveries = Deliveries(broker, lambda: moving, {})
    for task in tasks:
        deliveries.start(task.partition, Checkpoint(["one before it"], None, {}, {}))
    await deliveries.finish(tasks, ending)


def test_the_last_checkpoint_follows_the_one_under_way_and_a_refused_one_holds_nobody_up(caplog):
    broker = Broker(refused={"1"})
    with caplog.at_level(logging.WARNING, logger=in_flight.__name__):
        asyncio.run(finish(broker, [Ending(0), Ending(1), Ending(2)]))
    assert sorted(broker.taken) == [
        (task, [what]) for task in "02" for what in (f"last of {task}", "one before it")
    ]
    assert "task 1: no last checkpoint" in caplog.text


def test_nothing_is_built_on_a_checkpoint_that_was_refused_while_partitions_move():
    class Forgetful(Broker):
        """Refuses the first checkpoint only of a task."""

        async def deliver(self, task, records, head, offsets):
            try:
                await super().deliver(task, records, head, offsets)
            finally:
                self.refused = self.refused - {task}

    broker = Forgetful(refused={"1"})
    asyncio.run(finish(broker, [Ending(0), Ending(1)], moving=True))
    assert {task for task, _ in broker.taken} == {"0"}


@pytest.mark.parametrize(("ending", "by"), [(False, "restart"), (True, "leave")])
def test_a_worker_whose_last_checkpoint_is_not_answered_begins_anew_or_ends(
    monkeypatch, ending, by
):
    def way_out(reason):
        raise SystemExit(reason)

    monkeypatch.setattr(in_flight, by, way_out)
    monkeypatch.setattr(in_flight, "_FINISHED_WITHIN_S", 0.05)
    broker = Broker(unanswered={"1"})
    with pytest.raises(SystemExit, match=r"not delivered within 0\.05 s"):
        asyncio.run(finish(broker, [Ending(0), Ending(1)], ending=ending))
    assert broker.taken == [("0", ["one before it"]), ("0", ["last of 0"])]


def test_a_refused_checkpoint_of_mail_logs_holds_up_neither_the_end_nor_other_tasks(caplog):
    broker = Broker(refused={"maillog-0"})
    ending = MaillogTasks(Settings(), broker, SITE, {})
    for partition in (0, 1):
        task = ending._tasks[partition] = MaillogTask(partition, SITE)
        task.apply(log_of_a_host(partition), NOW_US, 0.0)
    asyncio.run(ending.close())
    assert [name for name, _ in broker.taken] == ["maillog-1"]
    assert "task maillog-0: no last checkpoint" in caplog.text


def log_of_a_host(partition):
    """Some lines as they come from the broker."""
    lines = raw_lines(LONG_ID_LOG)[:5]
    offsets, stamps = np.arange(len(lines)), np.full(len(lines), NOW_US)
    keys = [b"mx"] * len(lines)
    return RecordBatch(RAW_MAILLOG.name, partition, offsets, keys, lines, stamps, LOG_APPEND_TIME)
