"""The windows of a month that is over end as it ended, and follow what becomes known of it."""

import orjson

from mailsla.schemas.topics import WINDOWS
from tests.live_run import LiveRun
from tests.unit.test_feed_clock import event

END_S = 23.5 * 86_400
"""From the start of those events to the end of October in Shanghai."""
SEPTEMBER, OCTOBER = "2025-08-31T16:00:00Z", "2025-09-30T16:00:00Z"


def probe(number, seconds, ok):
    fields = {"channel": "smtp", "capability": "send", "scope": "internal", "interval_s": 600}
    return event(number, "probe.result", seconds, probe="p", ok=ok, **fields)


def heartbeat(number, seconds):
    return event(number, "monitor.heartbeat", seconds, monitor="m", interval_s=60)


def october(run):
    """Down, unobserved and in fault, s, as last published of the month."""
    told = [orjson.loads(each.value) for each in run.told if each.topic == WINDOWS.name]
    own = {
        each["family"]: each
        for each in told
        if (each["window"], each["window_start"]) == ("month", OCTOBER)
    }
    assert not any(each["window_start"] == SEPTEMBER for each in told)
    connectivity = own["connectivity"]
    return connectivity["down_s"], connectivity["unobserved_s"], own["fault"]["fault_s"]


def test_the_windows_of_a_month_end_as_it_ended():
    run = LiveRun()
    run.feed([probe(0, -7.5 * 86_400, ok=True)])
    run.pass_time(1)
    opened = event(1, "incident.opened", END_S - 600, incident_id="i", kind="fault")
    run.feed([opened, probe(2, END_S - 300, ok=False), heartbeat(3, END_S - 290)])
    run.pass_time(1)
    run.feed([heartbeat(4, END_S + 4_000), probe(5, END_S + 4_000, ok=True)])
    run.pass_time(30)
    unobserved = END_S + 7.5 * 86_400 - 300 - 1_200
    assert october(run) == (300, unobserved, 600)
    run.feed([probe(6, END_S - 100, ok=True)])
    run.pass_time(30)
    assert october(run) == (200, unobserved, 600)
    run.feed([event(7, "incident.closed", END_S - 60, incident_id="i")])
    run.pass_time(30)
    assert october(run) == (200, unobserved, 540)
