"""What other tools metered wrongly, closed: each event counts once, at the instants it says."""

from datetime import date

import pytest

from mailsla.sinks.closing.run import proof_check
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.proof import prove
from tests.integration.test_closing.ledger import land
from tests.reference.metering import CONTRACTS, EXPECTED, OF_TWO, local, log

pytestmark = pytest.mark.embedded
MONTHS = (date(2026, 10, 1), date(2026, 11, 1))


def test_each_event_counts_once_and_at_the_instants_it_says(client):
    land(client, log(), local(11, 30))
    found = {
        (item.tenant_id, f"{month:%Y-%m}", item.indicator): (item.observed, item.verdict)
        for month in MONTHS
        for closing in close_month(client, month, contracts=CONTRACTS, now=local(12, 5))
        for item in closing.items
    }
    for key, (observed, verdict) in EXPECTED.items():
        if key[1] == "2026-09":
            continue  # shown live
        known, judged = found.get(key, (None, "no_data"))
        assert (key, judged) == (key, verdict)
        assert (None if known is None else pytest.approx(float(known), abs=1e-9)) == observed, key


def test_a_message_told_of_under_two_tenants_is_one_of_whom_the_earliest_event_tells(client):
    land(client, OF_TWO, local(11, 2))
    close_month(client, MONTHS[0], now=local(11, 3))
    listed = client.query(
        "SELECT tenant_id, message_id FROM exceedances(month = '2026-10-01')"
    ).result_rows
    assert listed == [("of-two", "slow")]
    counted = client.query(
        "SELECT tenant_id, messages FROM latency_month(month = '2026-10-01') ORDER BY tenant_id"
    ).result_rows
    assert counted == [("of-two", 3), ("other-of-two", 1)]
    for tenant, _ in counted:
        assert list(proof_check.differences(prove(client, tenant, MONTHS[0]))) == []
