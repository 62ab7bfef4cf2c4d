"""Result records become the rows of their tables; the newest holds, redeliveries collapse."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from landing_server import Batch

from mailsla.schemas.export import examples
from mailsla.sinks.closing.plan.plan_store import load_contracts
from mailsla.sinks.ddl import RESULT_TABLES
from mailsla.sinks.landing import Landing, LandingDelivery
from mailsla.sinks.landing.results import RESULT_KINDS
from tests.live_run import LiveRun

pytestmark = pytest.mark.embedded


@dataclass
class Stamped(Batch):
    """Records with a stamp each."""

    stamps: tuple = ()

    @property
    def timestamps_us(self):
        return np.array(self.stamps, dtype=np.int64)


@pytest.fixture(scope="module")
def client(server):
    connection = server.connect()
    yield connection
    connection.close()


@pytest.fixture(autouse=True)
def empty(client):
    for table in RESULT_TABLES:
        client.command(f"TRUNCATE TABLE {table.name}")


@pytest.fixture
def land(server):
    """Lands batches through the worker's own entrance; gives its counters."""

    def run(*batches, now_us=None):
        async def landing():
            delivery = LandingDelivery(server.connect)
            now = now_us or batches[-1].timestamp_us + 5_000_000
            try:
                worker = Landing(delivery, now_us=lambda: now)
                await worker.land_all(batches)
                return worker.metrics
            finally:
                await delivery.close()

        return asyncio.run(landing())

    return run


def rows(client, table, columns):
    return client.query(f"SELECT {columns} FROM {table} FINAL ORDER BY ALL").result_rows


def example(topic, number=0, **changes):
    return orjson.dumps(orjson.loads(examples.valid(topic)[number].value) | changes)


@pytest.mark.parametrize("topic", RESULT_KINDS)
def test_all_valid_examples_land_and_a_redelivery_changes_nothing(client, land, topic):
    table = RESULT_KINDS[topic].table.name
    values = [valid.value for valid in examples.valid(topic)]
    metrics = land(Batch(topic, values, partition=2, first_offset=10))
    assert metrics.rows[table] == len(values)
    before = rows(client, table, "* EXCEPT landed_at")
    assert before
    land(Batch(topic, values, partition=2, first_offset=10))
    client.command(f"OPTIMIZE TABLE {table} FINAL")
    land(Batch(topic, values, partition=2, first_offset=10))
    assert rows(client, table, "* EXCEPT (landed_at, _version)") == [
        row[:-1] for row in before
    ]  # the version is the last column; of append-only tables it follows landed_at


def test_what_does_not_parse_stalls_nothing_and_is_counted(client, land):
    good = example("sla.status")
    metrics = land(Batch("sla.status", [b"{", good, None, b"\xff"]), Batch("sla.windows", [b"[]"]))
    assert rows(client, "status", "tenant_id") == [("acme",)]
    assert metrics.rejected == {"sla.status": 2, "sla.windows": 1}
    assert metrics.tombstones == {"sla.status": 1, "sla.windows": 0}


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "older lands last"])
def test_the_newest_record_of_a_status_holds(client, land, order):
    batches = [
        Batch("sla.status", [example("sla.status", state="failing")], first_offset=10),
        Batch("sla.status", [example("sla.status", state="ok")], first_offset=11),
    ]
    for batch in batches[::order]:
        land(batch)
    assert rows(client, "status", "state") == [("ok",)]


def test_the_last_status_of_every_past_month_stays(client, land):
    months = [example("sla.status", period=f"2026-{month:02d}") for month in (8, 9, 10)]
    land(Batch("sla.status", months, first_offset=10))
    assert rows(client, "status", "period") == [("2026-08",), ("2026-09",), ("2026-10",)]


def test_a_status_on_a_topic_made_anew_is_newer_than_the_old_topic_s(client, land):
    land(Batch("sla.status", [example("sla.status", state="failing")], first_offset=9_000_000))
    later = Batch("sla.status", [example("sla.status", state="ok")])
    later.timestamp_us += 60_000_000
    land(later)
    assert rows(client, "status", "state") == [("ok",)]


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "older lands last"])
@pytest.mark.parametrize(
    ("topic", "table", "field", "old", "new"),
    [
        ("sla.windows", "windows", "count", 3, 4),
        ("sla.outages", "outages", "status", "opened", "closed"),
    ],
)
def test_the_newest_knowledge_of_a_window_or_outage_holds(
    client, land, topic, table, field, old, new, order
):
    early = example(topic, as_of="2026-10-01T00:00:00Z", **{field: old})
    late = example(topic, as_of="2026-10-01T00:00:01Z", **{field: new})
    for value in [early, late][::order]:
        land(Batch(topic, [value]))
    assert rows(client, table, field) == [(new,)]


publications = st.lists(
    st.tuples(
        st.integers(-(10**7), 10**7),  # seconds a worker's clock and its as_of are off
        st.integers(-(10**7), 10**7),
        st.integers(0, 100),  # place in which it lands
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(publications)
def test_the_highest_revision_of_a_window_holds_whatever_the_clocks_say(server, published):
    """
    revision     1        2        3        each from whichever worker, landing in any order
    as_of        14:00    11:00    13:00
    stamped      09:00    15:00    08:00    by the worker's own clock
    """
    client = server.connect()
    client.command("TRUNCATE TABLE windows")
    noon = datetime(2026, 10, 1, 12, tzinfo=UTC)
    landing = []
    for number, (as_of_s, clock_s, place) in enumerate(published):
        changes = {"revision": number + 1, "count": number, "as_of": noon}
        changes["as_of"] += timedelta(seconds=as_of_s)
        batch = Batch("sla.windows", [example("sla.windows", **changes)], first_offset=number)
        batch.timestamp_us += clock_s * 1_000_000
        landing.append((place, batch))
    landed = [batch for _, batch in sorted(landing, key=lambda pair: pair[0])]

    async def land_them():
        delivery = LandingDelivery(server.connect)
        try:
            for batch in (*landed, landed[0]):  # and one of them again
                await Landing(delivery).land_all([batch])
        finally:
            await delivery.close()

    asyncio.run(land_them())
    last = len(published)
    assert rows(client, "windows", "revision, count") == [(last, last - 1)]
    client.command("OPTIMIZE TABLE windows FINAL")
    assert rows(client, "windows", "revision, count") == [(last, last - 1)]
    client.close()


def test_a_window_of_a_release_that_did_not_count_is_its_first_revision(client, land):
    old = orjson.loads(example("sla.windows"))
    del old["revision"]
    land(Batch("sla.windows", [orjson.dumps(old)]))
    assert rows(client, "windows", "revision") == [(1,)]


def test_equal_revisions_and_times_are_ordered_by_all_of_the_offset(client, land):
    # 2^20 is where a shorter offset would begin anew.
    values = [example("sla.windows", count=count) for count in (1, 2)]
    land(Batch("sla.windows", values, first_offset=2**20 - 1))
    assert rows(client, "windows", "count") == [(2,)]


def test_every_contract_version_is_kept_with_its_whole_document(client, land):
    fee = {"amount": "1200.00", "currency": "CNY"}
    values = [example("sla.contracts", 1, version=v, monthly_fee=fee) for v in (1, 2)]
    land(Batch("sla.contracts", values))
    found = rows(client, "contracts", "version, monthly_fee, currency, profile, document")
    assert [row[:4] for row in found] == [(v, Decimal(1200), "CNY", "acme/3") for v in (1, 2)]
    assert orjson.loads(found[0][4])["overrides"]["connectivity.ratio"]["target"] == "0.9995"


NOW = 1_793_000_000_000_000
HOUR = 3_600_000_000


@pytest.mark.parametrize(
    "stamps",
    [(NOW, -1), (-(2**53), NOW), (NOW + 10**6 * HOUR, NOW), (NOW, NOW - HOUR), (2**62, 0)],
    ids=["negative", "negative first", "ahead first", "behind", "far, then none"],
)
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two"])
def test_of_one_contract_version_the_later_in_the_log_holds_live_and_in_closings(
    client, land, stamps, together
):
    """A producer's stamps have no say, where the broker keeps them."""
    targets = {"latency.send.mean": {"target": 5}}, {"latency.send.mean": {"target": 100}}
    values = [example("sla.contracts", 0, overrides=overrides) for overrides in targets]
    key = orjson.loads(values[0])["tenant_id"]
    run = LiveRun()
    for number, (value, stamp) in enumerate(zip(values, stamps, strict=True)):
        run.feed([("sla.contracts", key.encode(), value)], [stamp])
        if not together:
            batch = Batch("sla.contracts", [value], first_offset=number, timestamp_us=stamp)
            batch.timestamp_type = 0
            land(batch, now_us=NOW + number)
    if together:
        land(Stamped("sla.contracts", values, timestamp_type=0, stamps=stamps), now_us=NOW)
    (live,) = run.task.tenants.versions(key)
    (closed,) = load_contracts(client).contracts
    assert live == closed
    assert closed.overrides["latency.send.mean"].target == 100


def test_dead_letters_of_a_topic_made_anew_are_kept_apart(client, land):
    land(Batch("sla.dead_letters", [example("sla.dead_letters", 0)]))
    land(Batch("sla.dead_letters", [example("sla.dead_letters", 0, value_b64="e31=")]))
    assert len(rows(client, "dead_letters", "topic, partition, offset")) == 2


def test_several_topics_land_in_one_call(client, land):
    batches = [Batch(topic, [examples.valid(topic)[0].value]) for topic in RESULT_KINDS]
    metrics = land(*batches)
    assert metrics.rows == {kind.table.name: 1 for kind in RESULT_KINDS.values()}
    assert metrics.lag_s == 5.0


def test_a_topic_that_does_not_land_is_refused(land):
    with pytest.raises(ValueError, match=r"raw\.maillog does not land"):
        land(Batch("raw.maillog", [b"x"]))
