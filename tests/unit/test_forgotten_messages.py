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
