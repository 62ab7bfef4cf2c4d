"""The last word on ``sla.status`` is how an indicator stands, whatever was told in between.

Of each key the topic keeps the last record: that of the present month, also after word of the past.
"""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from tests.live_run import LiveRun
from tests.reference.log import TOPIC_OF

START = datetime(2026, 9, 10, 4, tzinfo=UTC)


def message(number, accepted_s, took_s):
    accepted = START + timedelta(seconds=accepted_s)
    event = {
        "id": f"d{number}", "source": "mx", "type": "message.dispatched", "tenant_id": "a",
        "time": (accepted + timedelta(seconds=took_s)).isoformat(), "message_id": f"m{number}",
        "recipient": "r@example.org", "direction": "outbound", "accepted_at": accepted.isoformat(),
    }  # fmt: skip
    return "mail.mta", b"a", orjson.dumps(event)


def test_a_breach_that_had_to_settle_does_not_put_an_older_figure_on_the_present_state():
    """Word of the past waits for more of it before it is told; the present state does not.

    messages of the past    1 2 3 4 5
    present state                     5            5
    told                                2, as of then
    """
    run = LiveRun()
    run.feed([message(0, 6 * 3_600, 4_000)])
    run.checkpoint()
    run.feed([message(number, number, 4_000) for number in range(1, 5)])
    run.checkpoint()
    assert run.status["a", "latency.exceedances", "2026-09"].observed == 5
    run.pass_time(600)
    present = run.status["a", "latency.exceedances", "2026-09"]
    assert (present.state, present.observed, present.sequence) == ("breached", 5, 2)


def booked(number, type_, when, **fields):
    head = {"id": f"o{number}", "source": "ops", "type": type_, "tenant_id": "a"}
    event = head | {"time": when.isoformat(), "incident_id": f"i{number}"} | fields
    return TOPIC_OF[type_], b"a", orjson.dumps(event)


def fault(number, when):
    return [
        booked(number, "incident.opened", when, kind="fault"),
        booked(f"{number}-closed", "incident.closed", when + timedelta(hours=2)),
    ]


AUGUST, JULY = timedelta(days=-31), timedelta(days=-61)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("late", [AUGUST, JULY], ids=["a month ago", "two months ago"])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "urgent"])
def test_word_of_a_past_month_leaves_the_present_state_the_last_of_its_key(late, restarts, whole):
    run = LiveRun()
    run.feed([message(0, 0, 70), *fault(0, START - timedelta(hours=3))])
    run.pass_time(120)
    for number in range(1, 4):
        if restarts:
            run.restart()
        accepted_s = round(late.total_seconds()) + number
        run.feed([message(number, accepted_s, 4_000 * number), *fault(number, START + late)])
        for _ in range(4):
            run.checkpoint(everything=whole)
            assert run.overtaken() == {}
            run.now_s += 20
    run.pass_time(120)
    assert run.overtaken() == {}
    month = f"{START + late:%Y-%m}"
    assert run.status["a", "latency.exceedances", month].observed == 3
    assert run.status["a", "operations.fault_duration", month].observed > 0
    present = run.status["a", "latency.send.mean", "2026-09"]
    assert (run.last_period["a", "latency.send.mean"], present.observed) == ("2026-09", 70)


def test_a_month_that_ends_leaves_the_next_one_the_last_of_its_key():
    run = LiveRun()
    run.feed([message(0, 0, 70), *fault(0, START)])
    run.feed([message(1, 25 * 86_400, 10)])
    for _ in range(10):
        run.pass_time(60)
        assert run.overtaken() == {}
    assert run.last_period["a", "latency.send.mean"] == "2026-10"
    assert run.last_period["a", "operations.fault_duration"] == "2026-10"
