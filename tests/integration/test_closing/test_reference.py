"""The closing SQL against the naive reference: random months, every indicator of every tenant.

The histories hold duplicates at any distance, disorder, exclusions declared, changed and revoked,
liability, month edges to the microsecond, unfinished messages and partial service. Some more months
meet the live task as well in `tests/property/test_three_ways.py`.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from tests.integration.test_closing.conftest import forget
from tests.integration.test_closing.ledger import close_history, judgements
from tests.reference.strategies import checked_months, histories, limited_months

pytestmark = pytest.mark.embedded

EXAMPLES = int(os.environ.get("MAILSLA_TEST_EXAMPLES", "3"))
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


def differences(client, history):
    forget(client)
    found = judgements(close_history(client, history, dry_run=True))
    expected = history.judged()
    return {
        key: (found.get(key), expected.get(key))
        for key in found.keys() | expected.keys()
        if found.get(key) != expected.get(key)
    }


@given(history=histories(scenes=("messages", "messages", "messages", "exclusion")))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW)
def test_latency_of_random_months_is_that_of_the_reference(schema, history):
    assert differences(schema, history) == {}


@given(history=histories())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW)
def test_random_months_are_judged_as_by_the_reference(schema, history):
    assert differences(schema, history) == {}


@pytest.mark.parametrize("seed", range(5, 5 + EXAMPLES))
def test_corrected_months_are_judged_as_by_the_reference(schema, seed):
    assert differences(schema, checked_months(seed)) == {}


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_months_of_limited_maintenance_are_judged_as_by_the_reference(schema, seed):
    assert differences(schema, limited_months(seed)) == {}
