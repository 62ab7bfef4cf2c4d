"""Rolling latency windows against a naive count, whatever the cuts, restarts and order."""

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.streams.latency.windows.changes import HOUR_US, PANE_US, Changes, late_flags
from mailsla.streams.latency.windows.rolling_windows import RollingWindows
from mailsla.streams.latency.windows.window_kinds import PaneWidth

MINUTE_US = 60_000_000
START_US = 1_793_000_000_000_000
MONTH_US = 3 * 24 * HOUR_US  # short, so that histories pass the end of one
LATENESS_US = 7 * MINUTE_US
LIMIT_US = HOUR_US
SPAN_US = {"5m": PANE_US, "1h": HOUR_US, "24h": 24 * HOUR_US}


@dataclass(frozen=True)
class Message:
    series: int
    finished_us: int
    latency_us: int
    frontier_us: int = 0
    late_pane: bool = False
    late_hour: bool = False

    @property
    def month(self) -> int:
        return (self.finished_us - self.latency_us) // MONTH_US


@dataclass(frozen=True)
class Step:
    """A message, and what the worker does after it."""

    series: int
    advance_min: int  # of the frontier, before the message
    behind_min: int  # how far its finish lies behind the frontier
    latency_us: int
    cut: bool
    publish: str
    restart: bool
    fold: int
    remove: int | None


# The finish of a message against the frontier when it is read:
#
#   hours behind: late | within the lateness | at the frontier | ahead (a faster source)
steps = st.builds(
    Step,
    series=st.integers(0, 2),
    advance_min=st.sampled_from([0, 0, 0, 1, 3, 5, 12, 31, 65, 300, 1500]),
    behind_min=st.sampled_from([0, 0, 1, 4, 6, 8, 13, 59, 70, 1600, -3, -15, -80]),
    latency_us=st.sampled_from([0, 1, 1500, 800_000, 42_000_000, LIMIT_US, LIMIT_US + 1]),
    cut=st.booleans(),
    publish=st.sampled_from(["all", "all", "one", "nothing"]),
    restart=st.integers(0, 3).map(lambda n: n == 0),
    fold=st.sampled_from([0, 0, 0, 0, 1, 3]),
    remove=st.one_of(st.none(), st.none(), st.integers(0, 5)),
)
histories = st.lists(steps, min_size=1, max_size=30)


def messages_of(history: list[Step]) -> list[Message]:
    """The log: what is late is decided by the frontier at each record, not by any batch."""
    frontier_us, messages = START_US, []
    for step in history:
        frontier_us += step.advance_min * MINUTE_US
        finished_us = frontier_us - step.behind_min * MINUTE_US
        pane, hour = late_flags(np.array([finished_us]), np.array([frontier_us]), LATENESS_US)
        messages.append(
            Message(
                step.series, finished_us, step.latency_us, frontier_us, bool(pane[0]), bool(hour[0])
            )
        )
    return messages


def changes_of(messages: list[Message], signs: list[int] | None = None) -> Changes:
    def column(name: str, dtype: type = np.int64) -> np.ndarray:
        return np.array([getattr(message, name) for message in messages], dtype=dtype)

    return Changes(
        series=column("series"),
        finished_us=column("finished_us"),
        month=column("month"),
        latency_us=column("latency_us"),
        over=column("latency_us") > LIMIT_US,
        sign=np.array(signs or [1] * len(messages), dtype=np.int64),
        late_pane=column("late_pane", np.bool_),
        late_hour=column("late_hour", np.bool_),
    )


def removable(message: Message, frontier_us: int) -> bool:
    """Whether its panes are still open, so that taking it away is in time for every cut."""
    finished, frontier = np.array([message.finished_us]), np.array([frontier_us])
    pane, hour = late_flags(finished, frontier, LATENESS_US)
    return bool(pane[0] <= message.late_pane and hour[0] <= message.late_hour)


class Worker:
    """What the live worker does with its windows: applies, publishes, checkpoints, restarts."""

    def __init__(self) -> None:
        self.known: list[Message] = []  # single rows of the state
        self.folds: list[bytes] = []
        self.pieces: list[bytes] = []
        self.counted: list[Message] = []  # the truth: known and given up
        self.frontier_us = START_US
        self.published: dict[tuple[str, int, int], list] = defaultdict(list)
        self.windows = self.fresh()

    def fresh(self) -> RollingWindows:
        def bounds(series, months):
            return months * MONTH_US, (months + 1) * MONTH_US

        return RollingWindows(LATENESS_US, self.largest, bounds)

    def largest(self, width, series, panes):
        found = []
        for one, pane in zip(series.tolist(), panes.tolist(), strict=True):
            values = [-1]
            for message in self.known:
                number, late = {
                    PaneWidth.FIVE_MINUTES: (message.finished_us // PANE_US, message.late_pane),
                    PaneWidth.HOUR: (message.finished_us // HOUR_US, message.late_hour),
                    PaneWidth.MONTH: (message.month, False),
                }[width]
                if message.series == one and number == pane and not late:
                    values.append(message.latency_us)
            found.append(max(values))
        return np.array(found, dtype=np.int64)

    def apply(self, batch: list[Message], gone: list[Message]) -> None:
        self.known += batch
        self.counted += batch
        for message in gone:
            self.known.remove(message)
            self.counted.remove(message)
        if batch:
            self.frontier_us = batch[-1].frontier_us
        signs = [1] * len(batch) + [-1] * len(gone)
        self.windows.apply(changes_of(batch + gone, signs), self.frontier_us)

    def publish(self, series: np.ndarray | None = None) -> None:
        for window in self.windows.publish(series):
            self.published[window.window, window.series, window.end_us].append(window)

    def fold(self, count: int) -> None:
        given_up, self.known = self.known[:count], self.known[count:]
        if given_up:
            self.folds.append(self.windows.fold(changes_of(given_up)))

    def checkpoint(self) -> None:
        if len(self.pieces) == 3:
            self.pieces = [self.windows.snapshot_published()]
        else:
            self.pieces.append(self.windows.take_published())

    def restart(self) -> None:
        self.windows = self.fresh()
        for piece in self.pieces:
            self.windows.restore_published(piece)
        for folded in self.folds:
            self.windows.unfold(folded)
        self.windows.rebuild(changes_of(self.known), self.frontier_us)

    def assert_right(self) -> None:
        """What was published last for each end is the naive count."""
        for (kind, series, end_us), said in self.published.items():
            window = said[-1]
            inside = naive(self.counted, kind, series, window.start_us, end_us)
            assert (window.messages, window.sum_us) == (len(inside), sum(inside)), (kind, end_us)
            assert window.max_us == max(inside, default=0)
            assert window.exceedances == sum(latency > LIMIT_US for latency in inside)

    def assert_newest_published(self) -> None:
        for series in {message.series for message in self.counted}:
            ends = [
                message.finished_us // PANE_US
                for message in self.counted
                if message.series == series and not message.late_pane
            ]
            newest = max(ends, default=0)
            # From here on all twelve panes of the hour are retained.
            if newest >= (self.frontier_us - LATENESS_US) // PANE_US - 1:
                assert ("5m", series, (newest + 1) * PANE_US) in self.published
                assert ("1h", series, (newest + 1) * PANE_US) in self.published
        # Every month with a message stays for itself, however many came between two rounds.
        for message in self.counted:
            assert ("month", message.series, (message.month + 1) * MONTH_US) in self.published


def naive(messages: list[Message], kind: str, series: int, start_us: int, end_us: int) -> list[int]:
    inside = []
    for message in messages:
        if message.series != series:
            continue
        if kind == "month":
            counts = start_us <= message.finished_us - message.latency_us < end_us
        else:
            late = message.late_hour if kind == "24h" else message.late_pane
            counts = not late and start_us <= message.finished_us < end_us
        if counts:
            inside.append(message.latency_us)
    return inside


def live_through(history: list[Step]) -> Worker:
    worker, batch = Worker(), []
    for step, message in zip(history, messages_of(history), strict=True):
        batch.append(message)
        if not step.cut:
            continue
        gone = []
        if step.remove is not None and step.remove < len(worker.known):
            chosen = worker.known[step.remove]
            gone = [chosen] if removable(chosen, message.frontier_us) else []
        worker.apply(batch, gone)
        batch = []
        worker.fold(step.fold)
        if step.publish != "nothing":
            dirty = worker.windows.dirty_series()
            worker.publish(None if step.publish == "all" else dirty[:1])
            if step.publish == "all":
                worker.assert_right()
                worker.assert_newest_published()
        worker.checkpoint()
        if step.restart:
            worker.restart()
    worker.apply(batch, [])
    worker.publish()
    return worker


@given(histories)
@settings(max_examples=300, deadline=None)
def test_what_was_published_last_for_an_end_is_the_naive_count(history):
    worker = live_through(history)
    worker.assert_right()
    worker.assert_newest_published()
    assert not worker.windows.is_dirty
    assert len(worker.windows.dirty_series()) == 0


@given(histories)
@settings(max_examples=100, deadline=None)
def test_a_restart_changes_nothing_in_what_is_published(history):
    undisturbed = [replace(step, restart=False) for step in history]
    assert live_through(history).published == live_through(undisturbed).published


@given(histories)
@settings(max_examples=100, deadline=None)
def test_each_publication_says_something_new_under_the_next_revision(history):
    for said in live_through(history).published.values():
        assert [window.revision for window in said] == list(range(1, len(said) + 1))
        values = [window._replace(revision=0) for window in said]
        assert all(before != after for before, after in pairwise(values))


@given(histories)
@settings(max_examples=100, deadline=None)
def test_a_late_event_never_lowers_a_window(history):
    kept = [replace(step, remove=None) for step in history]
    for said in live_through(kept).published.values():
        counts = [window.messages for window in said]
        assert counts == sorted(counts)


@given(histories, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_within_a_batch_does_not_matter(history, random):
    results = []
    for shuffled in (False, True):
        messages = messages_of(history)
        frontier_us = messages[-1].frontier_us
        if shuffled:
            random.shuffle(messages)
        worker = Worker()
        worker.known += messages
        worker.windows.apply(changes_of(messages), frontier_us)
        results.append(worker.windows.publish())
    assert results[0] == results[1]
