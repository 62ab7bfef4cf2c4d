"""What `mailsla doctor` says of the sources of mail."""

from datetime import UTC, datetime, timedelta

import pytest

from mailsla.streams.cli.support.doctor.checks import sources_finding
from mailsla.streams.web.readings.sources import EventSource

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
SILENCE_S, LATENESS_S = 900.0, 120.0


def source(name, last_s, progress_s=None, late_s=1.0, topic="mail.mta"):
    """A source whose newest event is so old, and what it says of its log."""
    progress = None if progress_s is None else NOW - timedelta(seconds=progress_s)
    return EventSource(topic, name, NOW - timedelta(seconds=last_s), progress, 100, late_s, NOW)


@pytest.mark.parametrize(
    ("sources", "state", "said"),
    [
        ([], "ok", "0 sources of mail"),
        ([source("mx1", 10), source("mx2", 899)], "ok", "2 sources of mail"),
        ([source("mx1", 10), source("mx2", 901)], "note", "silent for more than 900 s: mx2;"),
        ([source("mx1", 5_000, progress_s=30)], "ok", "none silent"),
        ([source("probe", 5_000, topic="mail.probe")], "ok", "0 sources"),
        ([source("mx1", 10, late_s=121)], "note", "one in a hundred later than 120 s: mx1;"),
        ([source(f"mx{n}", 901) for n in range(6)], "note", "mx0, mx1, mx2, mx3, mx4, …;"),
    ],
)
def test_silent_and_late_sources_are_named(sources, state, said):
    finding = sources_finding(sources, SILENCE_S, LATENESS_S)
    assert finding.state == state
    assert said in finding.detail
