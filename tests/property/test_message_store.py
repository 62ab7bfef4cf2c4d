"""The store of finished messages and their keys, whatever the order, cut and repetition."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.streams.latency.keyhash import hash_texts, message_keys
from mailsla.streams.latency.messages import ROW, MessageStore

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


def batches(history: list[Message], sizes: list[int]) -> list[np.ndarray]:
    cut, at, turn = [], 0, 0
    while at < len(history):
        size = sizes[turn % len(sizes)]
        cut.append(np.array([row(m) for m in history[at : at + size]], dtype=ROW))
        at, turn = at + size, turn + 1
    return cut


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


@given(histories, cuts)
@settings(max_examples=100, deadline=None)
def test_what_was_added_and_taken_away_adds_up_record_by_record(history, sizes):
    """After each record, what counts is the best row of every message so far."""
    store, alive = MessageStore(), {}
    seen: list[Message] = []
    for batch in batches(history, sizes):
        admitted = store.admit(batch)
        changes = list(
            zip(admitted.places.tolist(), admitted.signs.tolist(), admitted.rows, strict=True)
        )
        for place in range(len(batch)):
            seen.append(history[len(seen)])
            for at, sign, row_ in changes:
                if at == place:
                    alive[int(row_["key"])] = alive.get(int(row_["key"]), 0) + sign * (
                        int(row_["finished_us"]) - int(row_["accepted_us"])
                    )
            assert alive == {m.key: m.latency_us for m in earliest(seen)}


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
