"""What the live worker tells of the sources it hears of."""

import orjson

from mailsla.streams.live.measures import Measures
from mailsla.streams.live.task import SILENCE_US
from mailsla.streams.metrics import names
from mailsla.streams.metrics.health import Health
from mailsla.streams.time.calendar import to_datetime
from tests.live_run import LiveRun

START_US = 1_793_145_600_000_000


def refused(number, source, at_us):
    event = {
        "id": f"e{number}",
        "source": source,
        "type": "message.rejected",
        "tenant_id": "a",
        "time": to_datetime(at_us).isoformat(),
        "message_id": "m",
        "recipient": "r@example.org",
        "direction": "inbound",
    }
    return "mail.mta", b"a", orjson.dumps(event)


def test_a_source_that_goes_silent_is_named_once_and_again_when_it_is_back(caplog):
    run, measures, said = LiveRun(), Measures(Health("streams"), SILENCE_US), []
    caplog.set_level("INFO", "mailsla.streams.live.measures")
    arrivals = [("mx1", 0), ("mx2", 0), ("mx1", SILENCE_US), ("mx1", SILENCE_US + 1)]
    arrivals.append(("mx2", SILENCE_US + 2))
    for number, (source, after_us) in enumerate(arrivals):
        run.feed([refused(number, source, START_US)], [START_US + after_us])
        caplog.clear()
        measures.look([run.task], 10.0 * number)
        said.append((names.SILENT_SOURCES._value.get(), caplog.messages))
    assert [count for count, _ in said] == [0, 0, 0, 1, 0]
    assert [len(messages) for _, messages in said] == [0, 0, 0, 1, 1]
    assert "nothing has come of mx2 since 2026-10-28T00:00:00" in said[3][1][0]
