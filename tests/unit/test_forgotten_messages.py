"""A task remembers only so many messages one by one; the sums of their months stay."""

from datetime import date
from fractions import Fraction

import orjson
import pytest

from mailsla.schemas.contract import Contract
from mailsla.schemas.topics import WINDOWS
from mailsla.streams.time.calendar import Month
from tests.live_run import LiveRun, assessments, contract_record
from tests.unit.test_feed_clock import message

pytestmark = pytest.mark.slow

MOST = 40
LATENCIES = [1 + number % 50 for number in range(6 * MOST)]


@pytest.mark.parametrize("versions", [0, 1])
def test_the_month_still_counts_every_message(versions):
    run = LiveRun(most_messages=MOST)
    for number in range(versions):
        promise = {"tenant_id": "a", "version": number, "effective_from": date(2025, 1, 1)}
        run.feed([contract_record(Contract.model_validate(promise))])
    for number, latency in enumerate(LATENCIES):
        at = 10 * number
        run.feed([message(number, "dispatched", at + latency, at, name="q")])
        if number % 10 == 9:
            run.checkpoint()
        if number % 70 == 69:
            run.restart()
    run.checkpoint()
    assert len(run.task.tenants.latency.store) <= MOST + 10
    now_us = run.task.clock.latest_us
    (mean,) = (
        found
        for found in assessments(run.task, "a", Month(2025, 10), now_us)
        if found.measure.indicator == "latency.send.mean"
    )
    measure = mean.measure
    assert Fraction(measure.numerator, measure.denominator) == Fraction(
        sum(LATENCIES), len(LATENCIES)
    )
    windows = [orjson.loads(each.value) for each in run.told if each.topic == WINDOWS.name]
    months = [
        each for each in windows if each["window"] == "month" and each["direction"] == "outbound"
    ]
    assert months[-1]["count"] == len(LATENCIES)


HOUR = 3600


def promise(version, since, **fields):
    head = {"tenant_id": "a", "version": version, "effective_from": since}
    return contract_record(Contract.model_validate(head | fields))


def exceedances(run):
    """State and the counts of the parts."""
    (found,) = (
        found
        for found in assessments(run.task, "a", Month(2025, 10), run.task.clock.latest_us)
        if found.measure.indicator == "latency.exceedances"
    )
    return found.state, [part.measure.observed for part in found.parts]


def test_the_parts_of_the_month_still_count_their_exceedances():
    """Also after a restart, and where a contract that comes late cuts the month otherwise."""
    run = LiveRun(most_messages=MOST)
    other = {"overrides": {"latency.exceedances": {"target": 9}}}
    run.feed([promise(1, "2025-01-01"), promise(2, "2025-10-08", **other)])
    # Accepted on the 7th, on the 8th, and since, in Shanghai.
    slow = [(1, -13 * HOUR), (2, -13 * HOUR), (3, -10 * HOUR), (4, 0)]
    for number, accepted in slow:
        run.feed([message(number, "dispatched", accepted + 4000, accepted, name="q")])
    for number in range(100, 100 + 2 * MOST):
        run.feed([message(number, "dispatched", 5000 + number, 5000 + number, name="q")])
        run.checkpoint()
    assert len(run.task.tenants.latency.store) <= MOST + 10
    expected = "breached", [2, 2]
    assert exceedances(run) == expected
    run.restart()
    assert exceedances(run) == expected
    run.feed([promise(3, "2025-10-07", overrides={"latency.exceedances": {"target": 5}})])
    # Versions 1, 3 and 2 follow one another: the 7th is the day of the third alone.
    assert exceedances(run) == ("ok", [0, 2, 2])
