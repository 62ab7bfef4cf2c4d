"""What other tools metered wrongly, live: each event counts once, at the instants it says."""

import orjson
import pytest

from mailsla.streams.time.calendar import Month, to_us
from tests.live_run import LiveRun, assessments, contract_record
from tests.reference.log import TOPIC_OF
from tests.reference.metering import CONTRACTS, EXPECTED, local, log


@pytest.mark.parametrize("restarts", [False, True])
def test_each_event_counts_once_live_and_at_the_instants_it_says(restarts):
    run = LiveRun()
    run.feed([contract_record(one) for one in CONTRACTS])
    records = [
        (TOPIC_OF[one["type"]], one["tenant_id"].encode(), orjson.dumps(one)) for one in log()
    ]
    for begins in range(0, len(records), 12):
        run.feed(records[begins : begins + 12])
        run.checkpoint()
        if restarts:
            run.restart()
    now_us = to_us(local(11, 2))
    run.reach(now_us)
    found = {
        (tenant, month, one.measure.indicator): (one.measure.observed, one.verdict)
        for tenant, month in {key[:2] for key in EXPECTED}
        for one in assessments(run.task, tenant, Month.parse(month), now_us)
    }
    for key, (observed, verdict) in EXPECTED.items():
        assert (key, found[key][1]) == (key, verdict)
        known = found[key][0]
        assert (None if known is None else pytest.approx(float(known), abs=1e-9)) == observed, key
