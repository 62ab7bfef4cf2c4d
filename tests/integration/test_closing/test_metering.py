"""What other tools metered wrongly, closed: each event counts once, at the instants it says."""

from datetime import date

import pytest

from mailsla.sinks.closing.run.close_month import close_month
from tests.integration.test_closing.ledger import land
from tests.reference.metering import CONTRACTS, EXPECTED, local, log

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
