"""How long the landing waits, which failures it waits for, and what it says when it gives up."""

import asyncio
import logging

import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, ProgrammingError
from hypothesis import given
from hypothesis import strategies as st

from mailsla.sinks.landing.batch import Block
from mailsla.sinks.landing.delivery import Clock, LandingDelivery
from mailsla.sinks.landing.faults import LandingError, lasting, sentence
from mailsla.sinks.landing.retry import RetryPolicy


def refusal(code, name, words="Column x of table t"):
    text = f"server response: Code: {code}. DB::Exception: {words}. ({name}) (version 26.9.2.1)"
    return DatabaseError(f"{text} (for url http://h:1)", code=code, name=name)


ONE_ROW = pa.table({"tenant_id": ["acme"]})
REFUSED = OperationalError("Connection refused")
TOO_MANY_PARTS = refusal(252, "TOO_MANY_PARTS")
NO_TABLE = refusal(60, "UNKNOWN_TABLE", "Table mailsla.status does not exist")
BUG = refusal(49, "LOGICAL_ERROR")


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_at_least_half_of_the_exponential_and_never_over_the_cap(failures, chance):
    policy = RetryPolicy(first_s=0.1, cap_s=15.0)
    full = min(15.0, 0.1 * 2 ** min(failures - 1, 50))
    assert full / 2 <= policy.delay(failures, chance) <= full


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (REFUSED, "transient"),
        (TimeoutError(), "transient"),
        (TOO_MANY_PARTS, "transient"),
        (refusal(241, "MEMORY_LIMIT_EXCEEDED"), "transient"),
        (refusal(243, "NOT_ENOUGH_SPACE"), "transient"),
        (BUG, "unclear"),
        (ProgrammingError("Setting no_such is unknown or readonly"), "unclear"),
        (NO_TABLE, "permanent"),
        (refusal(16, "NO_SUCH_COLUMN_IN_TABLE"), "permanent"),
        (refusal(516, "AUTHENTICATION_FAILED"), "permanent"),
        (refusal(497, "ACCESS_DENIED"), "permanent"),
    ],
)
def test_how_long_a_failure_lasts(error, expected):
    assert lasting(error) == expected


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (NO_TABLE, "(Table mailsla.status does not exist); run `mailsla migrate`"),
        (refusal(516, "AUTHENTICATION_FAILED"), "check the user and the password"),
        (refusal(497, "ACCESS_DENIED"), "grant it INSERT"),
        (BUG, "(LOGICAL_ERROR, code 49); mend what its log names"),
    ],
)
def test_giving_up_is_one_sentence_with_the_remedy(error, remedy):
    said = sentence(error, "status")
    assert remedy in said
    assert "\n" not in said
    assert "http://" not in said


class Flaky:
    """A client whose inserts fail with the given errors, one after the other, then succeed."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.inserted = 0

    def insert_arrow(self, table, rows, settings):
        if self.errors:
            raise self.errors.pop(0)
        self.inserted += rows.num_rows

    def close(self):
        pass


def deliver(client, policy=RetryPolicy()):  # noqa: B008 - frozen
    """Deliver one row; the delivery and the waits it made (no time passes)."""
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    async def run():
        clock = Clock(monotonic=lambda: sum(waits), sleep=sleep, chance=lambda: 0.0)
        delivery = LandingDelivery(lambda: client, policy=policy, clock=clock)
        try:
            await delivery.deliver([Block("status", ONE_ROW)])
        finally:
            await delivery.close()
        return delivery

    return asyncio.run(run()), waits


def test_it_waits_for_ever_longer_up_to_the_cap_until_clickhouse_is_back():
    client = Flaky(*[REFUSED] * 40)
    delivery, waits = deliver(client, RetryPolicy(first_s=1.0, cap_s=8.0))
    assert waits[:6] == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert len(waits) == delivery.metrics.retries == 40
    assert client.inserted == delivery.metrics.rows["status"] == 1


def test_an_absence_is_logged_when_it_begins_once_a_minute_and_when_it_ends(caplog):
    with caplog.at_level(logging.INFO):
        _, waits = deliver(Flaky(*[REFUSED] * 40, *[TOO_MANY_PARTS] * 40))
    first, *between, last = [record.message for record in caplog.records]
    assert first.startswith("ClickHouse takes no rows (no answer)")
    assert all(message.startswith("ClickHouse has taken no rows for") for message in between)
    assert "TOO_MANY_PARTS" in between[-1]
    assert 2 <= len(between) <= sum(waits) / 60
    assert last.startswith("ClickHouse takes rows again after")


def test_a_permanent_failure_is_not_tried_again():
    with pytest.raises(LandingError, match="run `mailsla migrate`"):
        deliver(Flaky(NO_TABLE))


def test_an_unclear_failure_is_tried_a_few_times():
    client = Flaky(*[BUG] * 3)
    _, waits = deliver(client, RetryPolicy(patience=4))
    assert (client.inserted, len(waits)) == (1, 3)
    with pytest.raises(LandingError, match="LOGICAL_ERROR"):
        deliver(Flaky(*[BUG] * 4), RetryPolicy(patience=4))
