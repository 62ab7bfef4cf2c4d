"""``exclude declare --rrule`` and ``outage declare``: windows of time, and what is none."""

from datetime import UTC, datetime, timedelta

import pytest

from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.cli.support.ops_events import windows_of

START = datetime(2026, 10, 3, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_local_time_stays_the_same_where_clocks_change():
    windows = windows_of(START, None, HOUR, "FREQ=WEEKLY;COUNT=5", "Europe/Berlin")
    assert [start.hour for start, _ in windows] == [18, 18, 18, 18, 19]
    assert {end - start for start, end in windows} == {HOUR}


@pytest.mark.parametrize(
    ("end", "duration", "rule", "zone", "complaint"),
    [
        (None, None, None, "UTC", "either --to or --duration"),
        (START + HOUR, HOUR, None, "UTC", "either --to or --duration"),
        (START, None, None, "UTC", "--to is not after --from"),
        (None, HOUR, "FREQ=DAILY", "UTC", "never ends"),
        (None, HOUR, "FREQ=OFTEN;COUNT=2", "UTC", "cannot be read"),
        (None, HOUR, "FREQ=DAILY;COUNT=401", "UTC", "more than 400"),
        (None, HOUR, "FREQ=DAILY;UNTIL=20200101T000000", "UTC", "gives no windows"),
        (None, HOUR, "FREQ=DAILY;COUNT=2", "Mars/Base", "no IANA time zone"),
    ],
)
def test_windows_without_an_end_and_rules_that_cannot_be_read_are_refused(
    end, duration, rule, zone, complaint
):
    with pytest.raises(CommandError, match=complaint):
        windows_of(START, end, duration, rule, zone)
