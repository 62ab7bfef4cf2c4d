"""ClickHouse goes away in the middle of landing: nothing is lost, nothing is doubled."""

import asyncio

import orjson
import pytest
from landing_server import Batch, ClickHouseProcess

from mailsla.sinks.landing import Landing, LandingDelivery, LandingError, RetryPolicy
from mailsla.sinks.migrations import migrate

pytestmark = pytest.mark.embedded

QUICK = RetryPolicy(first_s=0.02, cap_s=0.1)
PER_BATCH = 2_000
SOME_BATCHES = 8


@pytest.fixture
def server(tmp_path):
    process = ClickHouseProcess(tmp_path / "clickhouse")
    process.start()
    migrate(process.connect())
    yield process
    process.kill()


def message(number):
    return orjson.dumps(
        {
            "id": f"e-{number}", "source": "mx1/postfix", "type": "message.delivered",
            "tenant_id": f"t-{number % 7}", "time": "2026-10-05T08:00:02Z",
            "message_id": f"m-{number}", "direction": "inbound", "recipient": "a@acme.example",
            "accepted_at": "2026-10-05T08:00:00Z",
        }
    )  # fmt: skip


def batch(number):
    first = number * PER_BATCH
    return Batch("mail.mta", [message(n) for n in range(first, first + PER_BATCH)], 0, first)


async def until(condition):
    while not condition():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.001)


async def worker(server, landed, outages_over):
    """Land batch after batch, as a consumer does, until the outages are over and some more."""
    delivery = LandingDelivery(server.connect, policy=QUICK)
    landing = Landing(delivery)
    last = None
    try:
        while last is None or len(landed) < last:
            await landing.land_all([batch(len(landed))])
            landed.append(len(landed))
            if last is None and outages_over.is_set():
                last = len(landed) + SOME_BATCHES
    finally:
        await delivery.close()
    return landing.metrics


async def interrupted(server, end):
    """Run the worker; end the server twice in the middle, and start it again."""
    landed, outages_over = [], asyncio.Event()
    work = asyncio.create_task(worker(server, landed, outages_over))
    for _ in range(2):
        enough = len(landed) + SOME_BATCHES
        await until(lambda enough=enough: len(landed) >= enough or work.done())
        await asyncio.to_thread(end)
        seen = len(landed)
        await asyncio.sleep(0.3)  # the outage itself: while it lasts nothing can land
        assert len(landed) <= seen + 1
        server.start()  # here, not in a thread: the server ends with the thread that started it
    outages_over.set()
    return await work


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_nothing_is_lost_and_nothing_doubled(server, end, caplog):
    metrics = asyncio.run(interrupted(server, getattr(server, end)))
    client = server.connect()
    found = client.query(
        "SELECT count(), uniqExact(id), min(offset), max(offset) FROM mta_events FINAL"
    )
    total = metrics.rows["mta_events"]
    assert total >= 3 * SOME_BATCHES * PER_BATCH
    assert found.result_rows == [(total, total, 0, total - 1)]
    assert metrics.retries > 0
    assert metrics.down_since is None
    logged = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert all(message.startswith("ClickHouse takes no rows") for message in logged)
    # Two outages; while a server goes or comes, its answer may change once.
    assert 2 <= len(logged) <= 6 < metrics.retries


def test_landing_waits_for_a_server_that_is_not_there_yet(tmp_path):
    process = ClickHouseProcess(tmp_path / "clickhouse")

    async def run():
        delivery = LandingDelivery(process.connect, policy=QUICK)
        landing = Landing(delivery)
        work = asyncio.create_task(landing.land_all([batch(0)]))
        await until(lambda: delivery.metrics.retries)
        process.start()
        # The worker is as quick as the migration: it may meet the server before its tables.
        await asyncio.to_thread(lambda: migrate(process.connect()))
        try:
            await work
        except LandingError as error:
            assert "run `mailsla migrate`" in str(error)
            await landing.land_all([batch(0)])
        await delivery.close()
        return landing.metrics

    try:
        assert asyncio.run(run()).rows["mta_events"] == PER_BATCH
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("damage", "remedy"),
    [
        ("DROP TABLE mta_events", "run `mailsla migrate`"),
        ("ALTER TABLE mta_events DROP COLUMN size_bytes", "run `mailsla migrate`"),
        ("ALTER TABLE mta_events MODIFY COLUMN size_bytes Int64 DEFAULT 0", "schema does not fit"),
    ],
)
def test_a_schema_that_does_not_fit_stops_the_worker_with_a_sentence(server, damage, remedy):
    server.connect().command(damage)

    async def run():
        delivery = LandingDelivery(server.connect, policy=QUICK)
        try:
            await Landing(delivery).land_all([batch(0)])
        finally:
            await delivery.close()

    with pytest.raises(LandingError, match=remedy):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"user": "nobody"}, "check the user and the password"),
        ({"user": "analyst"}, "grant it INSERT"),
        ({"database": "elsewhere"}, "run `mailsla migrate`"),
    ],
)
def test_a_worker_that_may_not_write_stops_with_a_sentence(server, changes, remedy):
    async def run():
        delivery = LandingDelivery(lambda: server.connect(**changes), policy=QUICK)
        try:
            await Landing(delivery).land_all([batch(0)])
        finally:
            await delivery.close()

    with pytest.raises(LandingError, match=remedy):
        asyncio.run(run())
