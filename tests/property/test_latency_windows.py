"""Latency windows against a naive recomputation, whatever the order, cut and repetition."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.latency.keyhash import hash_texts, message_keys
from streams.latency.messages import ROW, MessageStore
from streams.windows.latency import HOUR_US, PANE_US, LatencyWindows, Terms
from streams.windows.months import month_bounds_us, months_of
from streams.windows.sketch import BINS, RELATIVE_ERROR, bin_of, quantiles_s

ZONE = "Asia/Shanghai"
LIMIT_US = 3_600_000_000
START_US = 1_793_000_000_000_000  # 26 October 2026, a week before the month turns


@dataclass(frozen=True)
class Message:
    key: int
    series: int
    accepted_us: int
    latency_us: int
    liable: bool


def row(message: Message) -> np.void:
    made = np.zeros(1, dtype=ROW)[0]
    made["key"], made["series"], made["liable"] = message.key, message.series, message.liable
    made["accepted_us"] = message.accepted_us
    made["finished_us"] = message.accepted_us + message.latency_us
    return made


messages = st.builds(
    Message,
    key=st.integers(1, 40),
    series=st.just(0),
    accepted_us=st.integers(0, 8 * 24 * 60).map(lambda minutes: START_US + minutes * 60_000_000),
    latency_us=st.sampled_from([0, 1, 999_999, 60_000_000, LIMIT_US, LIMIT_US + 1, 3 * LIMIT_US]),
    liable=st.booleans(),
).map(lambda m: Message(m.key, m.key % 3, m.accepted_us, m.latency_us, m.key % 7 == 0))

histories = st.lists(messages, min_size=1, max_size=60)
cuts = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def earliest(history: list[Message]) -> list[Message]:
    """The rule itself: per message the earliest finish counts, then the earliest acceptance."""
    chosen: dict[int, Message] = {}
    for message in history:
        known = chosen.get(message.key)
        mark = (message.accepted_us + message.latency_us, message.accepted_us)
        if known is None or mark < (known.accepted_us + known.latency_us, known.accepted_us):
            chosen[message.key] = message
    return list(chosen.values())


def fresh_windows() -> LatencyWindows:
    """Windows whose lateness covers the whole history, so that nothing is too late for them."""
    return LatencyWindows(
        lambda series: Terms(ZONE, LIMIT_US),
        lambda rows: np.zeros(len(rows), dtype=np.bool_),
        lateness_us=30 * 24 * HOUR_US,
    )


def batches(history: list[Message], sizes: list[int]) -> list[np.ndarray]:
    cut, at, turn = [], 0, 0
    while at < len(history):
        size = sizes[turn % len(sizes)]
        cut.append(np.array([row(m) for m in history[at : at + size]], dtype=ROW))
        at, turn = at + size, turn + 1
    return cut


@given(histories, cuts)
@settings(max_examples=150, deadline=None)
def test_the_last_published_value_of_every_window_is_the_naive_one(history, sizes):
    windows = fresh_windows()
    published = {}
    for batch in batches(history, sizes):
        windows.admit(batch)
        for window in windows.publish():
            published[window.series, window.window, window.start_us] = window
    counted = [m for m in earliest(history) if not m.liable]
    for (series, kind, start), window in published.items():
        inside = []
        for m in counted:
            finished = m.accepted_us + m.latency_us
            moment = m.accepted_us if kind == "month" else finished
            if m.series == series and start <= moment < window.end_us:
                inside.append(m.latency_us)
        assert (window.count, window.sum_us) == (len(inside), sum(inside))
        assert window.max_us == max(inside, default=0)
        assert window.exceedances == sum(latency > LIMIT_US for latency in inside)
        assert start <= window.end_us
    months = {
        (m.series, int(months_of(np.array([m.accepted_us]), ZONE)[0]))
        for m in earliest(history)
        if not m.liable
    }
    for series, month in months:
        assert (series, "month", month_bounds_us(ZONE, month)[0]) in published


@given(histories, cuts)
@settings(max_examples=100, deadline=None)
def test_the_newest_pane_of_every_series_is_published(history, sizes):
    windows = fresh_windows()
    for batch in batches(history, sizes):
        windows.admit(batch)
    ends = {(w.series, w.window): w.end_us for w in windows.publish()}
    for m in earliest(history):
        if not m.liable:
            finished = m.accepted_us + m.latency_us
            assert ends[m.series, "5m"] >= (finished // PANE_US + 1) * PANE_US
            assert ends[m.series, "24h"] >= (finished // HOUR_US + 1) * HOUR_US


@given(histories, cuts, cuts)
@settings(max_examples=100, deadline=None)
def test_order_and_cut_do_not_matter(history, sizes, others):
    results = []
    for order, cut in ((history, sizes), (list(reversed(history)), others)):
        windows = fresh_windows()
        for batch in batches(order, cut):
            windows.admit(batch)
        results.append(
            sorted(
                (w.series, w.window, w.start_us, w.count, w.sum_us, w.max_us)
                for w in windows.publish()
                if w.window == "month" and w.count
            )
        )
    assert results[0] == results[1]


@given(histories, st.integers(0, 60))
@settings(max_examples=80, deadline=None)
def test_an_exclusion_declared_late_is_as_if_it_had_always_been_there(history, moment):
    start = START_US + moment * 4 * HOUR_US
    end = start + 12 * HOUR_US
    declared = []

    def excluded(rows):
        mask = np.zeros(len(rows), dtype=np.bool_)
        for begin, finish in declared:
            mask |= (rows["accepted_us"] < finish) & (rows["finished_us"] >= begin)
        return mask

    late = LatencyWindows(lambda s: Terms(ZONE, LIMIT_US), excluded, 30 * 24 * HOUR_US)
    for batch in batches(history, [7]):
        late.admit(batch)
    list(late.publish())
    declared.append((start, end))
    late.recount_series([0, 1, 2])
    changed = {
        (w.series, w.start_us): (w.count, w.sum_us, w.max_us)
        for w in late.publish()
        if w.window == "month" and w.count
    }
    early = LatencyWindows(lambda s: Terms(ZONE, LIMIT_US), excluded, 30 * 24 * HOUR_US)
    for batch in batches(history, [5]):
        early.admit(batch)
    for w in early.publish():
        if w.window == "month" and w.count:
            assert changed[w.series, w.start_us] == (w.count, w.sum_us, w.max_us)


@given(histories, cuts)
@settings(max_examples=100, deadline=None)
def test_the_store_keeps_the_earliest_row_of_every_message(history, sizes):
    store = MessageStore()
    for batch in batches(history, sizes):
        store.admit(batch)
    kept = {int(r["key"]): (int(r["finished_us"]), int(r["accepted_us"])) for r in store.rows}
    assert kept == {m.key: (m.accepted_us + m.latency_us, m.accepted_us) for m in earliest(history)}


@given(histories, cuts, st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_the_rows_of_a_series_are_found_however_often_it_is_asked_for(history, sizes, dropped):
    store = MessageStore()
    for number, batch in enumerate(batches(history, sizes)):
        store.admit(batch)
        if number == dropped:
            store.drop_oldest(len(batch) // 2)
        for series in range(4):
            rows = store.rows
            assert np.array_equal(store.of_series(series), rows[rows["series"] == series])


@given(st.lists(st.integers(1_000, 10**12), min_size=1, max_size=200), st.floats(0.01, 1.0))
@settings(max_examples=200, deadline=None)
def test_quantiles_are_within_the_stated_relative_error(latencies, share):
    values = np.array(sorted(latencies), dtype=np.int64)
    counts = np.bincount(bin_of(values), minlength=BINS)[None]
    exact = values[max(0, int(np.ceil(share * len(values))) - 1)] / 1e6
    found = quantiles_s(counts, (share,))[0, 0]
    assert abs(found - exact) <= exact * (RELATIVE_ERROR + 1e-9)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=50))
@settings(max_examples=200, deadline=None)
def test_equal_texts_have_equal_hashes_and_others_do_not(texts):
    hashes = hash_texts(pa.array(texts, pa.string()), 1)
    for one, text in zip(hashes, texts, strict=True):
        alone = hash_texts(pa.array([text], pa.string()), 1)[0]
        assert one == alone
    assert len(set(hashes.tolist())) == len(set(texts))


def test_message_keys_stay_what_they_are():
    """Keys are kept in the state topic: a change of the function would forget every message."""
    keys = message_keys(
        pa.array(["mx1/postfix", "mx1/postfix"]),
        pa.array(["4jXSs86QcVzK5wh", "4jXSs86QcVzK5wh"]),
        pa.array(["a@example.org", "a@example.org"]),
        np.array([False, True]),
    )
    assert keys.tolist() == GOLDEN


GOLDEN = [2228813555058338774, 13487521534008460249]
