"""The last word on ``sla.status`` is how an indicator stands, whatever was told in between."""

from datetime import UTC, datetime, timedelta

import orjson

from tests.live_run import LiveRun

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
