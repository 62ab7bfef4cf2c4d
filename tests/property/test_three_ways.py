"""Every indicator in all ways: live task, closing SQL, naive reference and proof pack agree.

The histories hold duplicates at any distance, disorder, exclusions declared, changed and revoked,
month edges to the microsecond, unfinished messages, partial service, contracts that change within
the month or come late, events that are voided or contradicted, outages and approvals, and calendars
that are changed; the live task also meets them in random cuts and is restarted.
`MAILSLA_MONTHS=500` is the nightly length.
"""

import os
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailsla.sinks.closing.run import proof_check
from mailsla.sinks.closing.run.proof import prove
from mailsla.streams.time.calendar import to_datetime, to_us
from tests.integration.test_closing import ledger as closing
from tests.integration.test_closing.conftest import forget
from tests.live_run import findings, live_through
from tests.reference.strategies import checked_months, histories, limited_months, seeded_month

MONTHS = int(os.environ.get("MAILSLA_MONTHS", "10"))
EXAMPLES = int(os.environ.get("MAILSLA_TEST_EXAMPLES", "40"))
BLOCK = 10
PROVED = 3
"""Of a block so many months, of one tenant each: a pack costs as much as several closings."""
RESTARTS = 3
# In these months the live task once departed from the others; what was wrong stands with each.
REGRESSIONS = {
    1: "the last week of a month was never judged: its end came before the patience was over",
    6: "an order due on a month's last day was judged by nobody once the next month had begun",
    59: "a tenant known by a late event had only the sections of that event told of the month",
    286: "of two deliveries of the same instants the first to come decided, not the lesser id",
}


def differences(found, expected):
    return {
        key: (found.get(key), expected.get(key))
        for key in found.keys() | expected.keys()
        if found.get(key) != expected.get(key)
    }


def lived(history, seed, restarts):
    """The live task some time after the cutoff, and where it departs from the reference then."""
    run = live_through(history, Random(seed), restarts)
    # Where nothing was ever heard, event time stands still.
    now_us = max(run.task.clock.now_us(run.now_s), to_us(history.cutoff))
    expected = history.judged(to_datetime(now_us))
    tenants = {tenant for tenant, _ in expected}
    return run, differences(findings(run, history, tenants, now_us), expected)


def wrongly_told(run, history):
    """Where the last state told of the month is not what the reference finds at that time.

    Or where that of a later month is not the last of its key.
    """
    now = to_datetime(run.task.clock.now_us(run.now_s))
    wrong: dict = dict(run.overtaken())
    for (tenant, indicator), finding in history.judged(now).items():
        told = run.status.get((tenant, indicator, history.month))
        if told is None and indicator == "operations.monitoring" and finding.observed == 0:
            continue  # nothing was ever heard up to the month's end, so nobody watched either
        said = None if told is None or told.observed is None else float(told.observed)
        value = None if finding.observed is None else float(finding.observed)
        broken = told is not None and told.state == "breached"
        if said != value or broken != (finding.verdict == "breached"):
            wrong[tenant, indicator] = (told, finding)
    return wrong


@pytest.fixture(scope="module")
def client(server):
    connected = server.connect()
    yield connected
    connected.close()


@pytest.mark.embedded
@pytest.mark.parametrize("first", range(0, MONTHS, BLOCK))
def test_live_closing_reference_and_proof_pack_agree_on_random_months(client, first):
    for seed in range(first, min(first + BLOCK, MONTHS)):
        history = checked_months(seed, mail=False)
        run, wrong = lived(history, seed, restarts=seed % 2)
        assert wrong == {}, f"live, seed {seed}"
        assert wrongly_told(run, history) == {}, f"sla.status, seed {seed}"
        forget(client)
        closed = closing.close_history(client, history)
        found = differences(closing.judgements(closed), history.judged())
        assert found == {}, f"closing, seed {seed}"
        if seed < first + PROVED:
            tenant = closed[seed % len(closed)].tenant_id
            content = prove(client, tenant, history.first_day)
            assert list(proof_check.differences(content)) == [], f"proof pack, seed {seed}"


@pytest.mark.parametrize("seed", range(MONTHS // 2))
def test_a_restarted_task_ends_with_the_same_findings_and_states(seed):
    history = seeded_month(10_000 + seed)
    run, wrong = lived(history, seed, RESTARTS)
    assert wrong == {}
    assert wrongly_told(run, history) == {}


@pytest.mark.parametrize("seed", REGRESSIONS, ids=REGRESSIONS.values())
def test_regressions(seed):
    history = seeded_month(seed, amended=False)
    run, wrong = lived(history, seed, restarts=0)
    assert wrong == {}
    assert wrongly_told(run, history) == {}


@given(history=histories(), seed=st.integers(0, 2**32 - 1), restarts=st.integers(0, RESTARTS))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_live_and_reference_agree_on_any_month(history, seed, restarts):
    run, wrong = lived(history, seed, restarts)
    assert wrong == {}
    assert wrongly_told(run, history) == {}


@pytest.mark.parametrize("seed", range(MONTHS // 2))
def test_live_and_reference_agree_on_limited_maintenance(seed):
    history = limited_months(seed)
    run, wrong = lived(history, seed, restarts=seed % 2)
    assert wrong == {}
    assert wrongly_told(run, history) == {}
