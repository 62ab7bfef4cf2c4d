"""Rolling latency windows: one story per promise. Times are minutes after a full hour."""

import tracemalloc

import numpy as np
import orjson
import pytest

from mailsla.schemas.topics import MTA, WINDOWS
from mailsla.streams.latency.windows.changes import HOUR_US, PANE_US, Changes, late_flags
from mailsla.streams.latency.windows.panes import BIN_BITS, Panes, SortedMessages
from mailsla.streams.latency.windows.rolling_windows import RollingWindows
from mailsla.streams.latency.windows.sketch import BINS, RELATIVE_ERROR
from mailsla.streams.latency.windows.window_kinds import LatencyWindow
from tests.live_run import LiveRun

MINUTE_US = 60_000_000
START_US = 1_793_000_000_000_000 // (24 * HOUR_US) * 24 * HOUR_US
LATENESS_US = 2 * MINUTE_US
MONTH = 681


def windows(largest=None) -> RollingWindows:
    def unknown(width, series, panes):
        return np.full(len(series), -1, dtype=np.int64)

    def bounds(series, months):
        return months * 1000, (months + 1) * 1000

    return RollingWindows(LATENESS_US, largest or unknown, bounds)


def at(minute: float) -> int:
    return START_US + int(minute * MINUTE_US)


def mail(*minutes: float, series=0, latency_us=2_000_000, sign=1, frontier=None) -> Changes:
    """Messages finished at these minutes, read when the frontier was at ``frontier``."""
    size = len(minutes)
    finished = np.array([at(minute) for minute in minutes], dtype=np.int64)
    known = finished if frontier is None else np.full(size, at(frontier), dtype=np.int64)
    latency = np.full(size, latency_us, dtype=np.int64)
    return Changes(
        series=np.full(size, series, dtype=np.int64),
        finished_us=finished,
        month=np.full(size, MONTH, dtype=np.int64),
        latency_us=latency,
        over=latency > HOUR_US,
        sign=np.full(size, sign, dtype=np.int64),
        late_pane=late_flags(finished, known, LATENESS_US)[0],
        late_hour=late_flags(finished, known, LATENESS_US)[1],
    )


def said(published: list[LatencyWindow], kind: str) -> list[tuple[float, int, int]]:
    """End in minutes, count and revision of the windows of one kind."""
    return [
        ((window.end_us - START_US) / MINUTE_US, window.messages, window.revision)
        for window in published
        if window.window == kind
    ]


def test_a_message_is_late_once_the_frontier_is_at_its_panes_end_and_lateness():
    #  |---- pane 0..5 ----|-- lateness --|
    #       ^ finished at 3               7: too late from here on
    finished = np.array([at(3), at(3), at(3)])
    frontier = np.array([at(7) - 1, at(7), at(62)])
    late_pane, late_hour = late_flags(finished, frontier, LATENESS_US)
    assert late_pane.tolist() == [False, True, True]
    assert late_hour.tolist() == [False, False, True]


def test_an_open_window_is_published_as_it_fills():
    rolling = windows()
    rolling.apply(mail(1, 2), at(2))
    assert said(rolling.publish(), "5m") == [(5, 2, 1)]
    rolling.apply(mail(3), at(3))
    published = rolling.publish()
    assert said(published, "5m") == [(5, 3, 2)]
    assert said(published, "1h") == [(5, 3, 2)]
    assert said(published, "24h") == [(60, 3, 2)]
    assert [window.messages for window in published if window.window == "month"] == [3]


def test_a_message_within_the_lateness_corrects_every_published_end_that_holds_it():
    #   0        5        10        frontier 6 -> 6.5
    #   |--- p0 ---|--- p1 ---|
    #        4 (read last)  6
    rolling = windows()
    rolling.apply(mail(1), at(1))
    rolling.publish()
    rolling.apply(mail(6), at(6))
    assert said(rolling.publish(), "1h") == [(10, 2, 1)]
    rolling.apply(mail(4, frontier=6.5), at(6.5))
    published = rolling.publish()
    assert said(published, "5m") == [(5, 2, 2)]
    assert said(published, "1h") == [(5, 2, 2), (10, 3, 2)]


def test_a_late_message_counts_in_the_month_and_lowers_nothing():
    rolling = windows()
    rolling.apply(mail(*range(50)), at(50))
    rolling.publish()
    rolling.apply(mail(3, frontier=24 * 60), at(24 * 60))
    published = rolling.publish()
    assert {window.window for window in published} == {"month"}
    assert published[0].messages == 51
    assert rolling.late == 1


def test_a_day_without_mail_does_not_empty_what_was_published():
    rolling = windows()
    rolling.apply(mail(*range(50)), at(50))
    rolling.publish()
    rolling.apply(mail(3000, series=2), at(3000))
    assert {window.series for window in rolling.publish()} == {2}


def test_what_is_taken_away_from_a_forgotten_pane_is_ignored():
    rolling = windows()
    rolling.apply(mail(1, 2, 3), at(3))
    rolling.publish()
    rolling.apply(mail(300, series=2), at(300))
    rolling.publish()
    rolling.apply(mail(2, sign=-1), at(300))
    published = rolling.publish()
    assert [(window.window, window.messages) for window in published] == [("month", 2)]


def test_an_old_end_is_corrected_even_if_the_frontier_leaps_in_the_same_batch():
    #   p0 published with one message; then one batch: 2, and 600 of another series
    rolling = windows()
    rolling.apply(mail(1), at(1))
    rolling.publish()
    rolling.apply(mail(2), at(600))
    assert said(rolling.publish(), "5m") == [(5, 2, 2)]


def test_nothing_is_published_twice_with_one_value():
    rolling = windows()
    rolling.apply(mail(1, 2), at(2))
    rolling.publish()
    rolling.apply(mail(2, sign=-1), at(2))
    rolling.apply(mail(2), at(2))
    assert rolling.publish() == []


def test_only_the_wanted_series_are_published_and_the_others_stay_dirty():
    rolling = windows()
    rolling.apply(mail(1), at(1))
    rolling.apply(mail(1, series=4), at(1))
    assert rolling.dirty_series().tolist() == [0, 4]
    assert {window.series for window in rolling.publish(np.array([4]))} == {4}
    assert rolling.dirty_series().tolist() == [0]


def test_the_largest_latency_is_looked_up_again_when_it_was_taken_away():
    asked = []

    def largest(width, series, panes):
        asked.append((width.name, series.tolist(), panes.tolist()))
        return np.full(len(series), 7_000_000, dtype=np.int64)

    rolling = windows(largest)
    rolling.apply(mail(1, latency_us=7_000_000), at(1))
    rolling.apply(mail(1, latency_us=9_000_000), at(1))
    rolling.apply(mail(1, latency_us=9_000_000, sign=-1), at(1))
    assert {window.max_us for window in rolling.publish()} == {7_000_000}
    assert asked == [
        ("FIVE_MINUTES", [0], [START_US // PANE_US]),
        ("HOUR", [0], [START_US // HOUR_US]),
        ("MONTH", [0], [MONTH]),
    ]


def test_a_largest_latency_nobody_knows_comes_from_the_sketch():
    rolling = windows()
    rolling.apply(mail(1, latency_us=7_000_000), at(1))
    rolling.apply(mail(1, latency_us=9_000_000), at(1))
    rolling.apply(mail(1, latency_us=9_000_000, sign=-1), at(1))
    for window in rolling.publish():
        assert window.max_us == pytest.approx(7_000_000, rel=RELATIVE_ERROR)


def test_a_folded_largest_latency_survives_what_is_taken_away_later():
    rolling = windows(lambda width, series, panes: np.full(len(series), 1_000_000))
    rolling.apply(mail(1, latency_us=7_000_000), at(1))
    rolling.fold(mail(1, latency_us=7_000_000))
    rolling.apply(mail(1, 2, latency_us=9_000_000), at(2))
    rolling.apply(mail(1, 2, latency_us=9_000_000, sign=-1), at(2))
    assert {window.max_us for window in rolling.publish()} == {7_000_000}


def test_a_folded_latency_of_nothing_is_known_too():
    rolling = windows()
    rolling.apply(mail(1, latency_us=0), at(1))
    rolling.fold(mail(1, latency_us=0))
    rolling.apply(mail(2, latency_us=1), at(2))
    rolling.apply(mail(2, latency_us=1, sign=-1), at(2))
    assert {window.max_us for window in rolling.publish()} == {0}


def test_a_correction_that_was_not_published_yet_survives_a_restart():
    first = windows()
    first.apply(mail(1, 2), at(2))
    first.publish()
    pieces = [first.take_published()]
    first.apply(mail(2, sign=-1), at(2))
    pieces.append(first.take_published())
    second = windows()
    for piece in pieces:
        second.restore_published(piece)
    second.rebuild(mail(1), at(2))
    assert said(second.publish(), "5m") == [(5, 1, 2)]


def test_a_restart_publishes_nothing_again_and_counts_on():
    first = windows()
    first.apply(mail(*range(50)), at(50))
    first.publish()
    piece, folded = first.take_published(), first.fold(mail(*range(20)))
    assert first.take_published() == b""
    for rebuild in (RollingWindows.rebuild, RollingWindows.apply):
        second = windows()
        second.restore_published(piece)
        second.unfold(folded)
        rebuild(second, mail(*range(20, 50)), at(50))
        assert second.publish() == []
        second.apply(mail(51), at(51))
        assert said(second.publish(), "1h") == [(55, 51, 1)]


def test_forgotten_months_stay_as_they_were_published():
    rolling = windows()
    rolling.apply(mail(1), at(1))
    rolling.publish()
    rolling.forget_months(MONTH + 1)
    rolling.apply(mail(2), at(2))
    assert "month" not in {window.window for window in rolling.publish()}


def test_quantiles_are_those_of_all_panes_together():
    rolling = windows()
    latencies = [1000 * (n + 1) for n in range(0, 3000, 7)]
    for place, latency in enumerate(latencies):
        rolling.apply(mail(place % 55, latency_us=latency, frontier=0), at(0))
    (hour,) = [window for window in rolling.publish() if window.window == "1h"]
    ordered = sorted(latencies)
    for share, quantile in zip((0.5, 0.95, 0.99), hour.quantiles_s, strict=True):
        exact = ordered[int(np.ceil(share * len(ordered))) - 1] / 1e6
        assert quantile == pytest.approx(exact, rel=RELATIVE_ERROR + 1e-9)


def test_a_million_panes_of_one_message_take_less_than_a_hundred_megabytes():
    panes, size = Panes(), 1_000_000
    tracemalloc.start()
    for first in range(0, size, 50_000):
        series = np.arange(first, first + 50_000, dtype=np.int64)
        code = series << BIN_BITS | series % BINS
        panes.add(SortedMessages(code, series, series * 0, series * 0 + 1))
    del series, code
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(panes) == size
    assert held < 100_000_000


def test_an_earlier_finish_that_comes_late_does_not_take_its_message_out_of_the_window():
    def delivered(name, finished, accepted):
        event = {
            "id": f"{name}/{finished}",
            "source": "mx",
            "type": "message.delivered",
            "tenant_id": "a",
            "time": f"2025-10-30T{finished}Z",
            "accepted_at": f"2025-10-30T{accepted}Z",
            "message_id": name,
            "recipient": "r@example.org",
            "direction": "inbound",
        }
        return MTA.name, b"a", orjson.dumps(event)

    run = LiveRun()
    run.feed([delivered("m1", "12:36:53", "12:34:53")])
    run.feed([delivered("m2", "13:02:24", "13:00:54")])
    run.checkpoint()
    run.feed([delivered("m1", "12:35:53", "12:34:53")])
    run.checkpoint()
    run.restart()
    run.feed([delivered("m3", "13:03:24", "13:01:54")])
    run.checkpoint()
    told = [orjson.loads(one.value) for one in run.told if one.topic == WINDOWS.name]
    hours = [one for one in told if (one["family"], one["window"]) == ("latency", "1h")]
    assert [one["count"] for one in hours] == [2, 2, 3]
