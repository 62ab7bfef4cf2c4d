"""Every accepted event becomes one row, however often, in whatever batches it comes."""

import time

import numpy as np
import orjson
import pytest
from landing_server import Batch, ClickHouseProcess

from mailsla.schemas import topics
from mailsla.schemas.codec.columnar import decode_batch
from mailsla.schemas.codec.identifiers import parse_instant
from mailsla.schemas.export import examples
from mailsla.sinks.ddl import FACT_TABLES
from mailsla.sinks.landing.batch import blocks
from mailsla.sinks.landing.facts import decode_facts
from mailsla.sinks.landing.insert import insert_block
from mailsla.sinks.migrations import migrate

pytestmark = pytest.mark.embedded

EVENT_TOPICS = [topic.name for topic in topics.EVENT_TOPICS]
NOW_US = 1_793_000_000_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def client(server):
    connection = server.connect()
    migrate(connection)
    yield connection
    connection.close()


@pytest.fixture(autouse=True)
def empty(client):
    for table in FACT_TABLES.values():
        client.command(f"TRUNCATE TABLE {table}")


def land(client, topic, values, first_offset=0, partition=0):
    batch = Batch(topic, values, partition, first_offset)
    times = np.full(len(values), NOW_US, dtype=np.int64)
    decoded = decode_facts(topic, partition, batch.offsets, values, times)
    for block in blocks([decoded]):
        insert_block(client, block)
    return decoded.rows.num_rows, decoded.rejected, decoded.tombstones


def rows(client, table, columns="*", final="FINAL", tail=""):
    return client.query(f"SELECT {columns} FROM {table} {final} {tail}").result_rows


def merge(client, table):
    client.command(f"OPTIMIZE TABLE {table} FINAL")


def events(topic):
    """The valid examples with ids of their own: as many events as records."""
    found = []
    for number, example in enumerate(examples.valid(topic)):
        decoded = decode_batch(topic, [example.value], np.array([NOW_US]))
        if decoded.table.num_rows:
            found.append(orjson.dumps(orjson.loads(example.value) | {"id": f"example-{number}"}))
    assert found
    return found


def message(number=0, **changes):
    event = {
        "id": f"e-{number}", "source": "mx1/postfix", "type": "message.delivered",
        "tenant_id": "acme", "time": "2026-10-05T08:00:02Z", "message_id": f"m-{number}",
        "direction": "inbound", "recipient": "a@acme.example",
        "accepted_at": "2026-10-05T08:00:00Z",
    }  # fmt: skip
    return orjson.dumps(event | changes)


@pytest.mark.parametrize("topic", EVENT_TOPICS)
def test_every_valid_example_is_one_row_with_its_fields_and_its_place(client, topic):
    values = events(topic)
    assert land(client, topic, values, first_offset=40, partition=3)[0] == len(values)
    decoded = decode_batch(topic, values, np.full(len(values), NOW_US)).table
    names = ", ".join(decoded.column_names)
    found = rows(
        client, FACT_TABLES[topic], f"{names}, topic, partition, offset", tail="ORDER BY offset"
    )
    expected = [
        (
            *(value or [] if name == "sections" else value for name, value in row.items()),
            topic,
            3,
            40 + i,
        )
        for i, row in enumerate(decoded.to_pylist())
    ]
    assert [tuple(row) for row in found] == expected


@pytest.mark.parametrize("topic", EVENT_TOPICS)
def test_an_event_that_comes_twice_is_one_row(client, topic):
    values, table = events(topic), FACT_TABLES[topic]
    land(client, topic, values + values)
    assert len(rows(client, table)) == len(values), "twice in one block"
    land(client, topic, values, first_offset=900)
    assert len(rows(client, table)) == len(values), "again in another part"
    merge(client, table)
    assert len(rows(client, table)) == len(values), "after a merge"
    land(client, topic, values[::-1], first_offset=1800)
    assert len(rows(client, table)) == len(values), "again after the merge, in another order"
    merge(client, table)
    assert len(rows(client, table, final="")) == len(values)


def test_the_first_landing_wins_with_and_without_merges(client):
    land(client, "mail.mta", [message(size_bytes=1)], first_offset=500)
    ((first,),) = rows(client, "mta_events", "landed_at")
    for merged in (False, True):
        # A later landing from a smaller offset, otherwise the same event.
        land(client, "mail.mta", [message(size_bytes=2)], first_offset=7)
        if merged:
            merge(client, "mta_events")
        assert rows(client, "mta_events", "landed_at, offset, size_bytes") == [(first, 500, 1)]
    assert first <= client.query("SELECT now64(6)").first_row[0]


def test_of_two_in_one_insert_the_smaller_offset_wins(client):
    land(client, "mail.support", [support(channel="web"), support(channel="mail")], 1_048_000)
    assert rows(client, "support_events", "offset, channel") == [(1_048_000, "web")]


def support(**changes):
    event = {"id": "e", "source": "s", "type": "channel.up", "tenant_id": "acme"}
    return orjson.dumps(event | {"time": "2026-10-05T08:00:00Z", "channel": "phone"} | changes)


def test_an_event_stamped_anew_in_its_month_is_still_the_same_event(client):
    land(client, "mail.mta", [message()])
    land(client, "mail.mta", [message(time="2026-10-05T09:00:00Z")])
    land(client, "mail.mta", [message(accepted_at="2026-10-05T07:59:59Z")])
    assert rows(client, "mta_events", "time") == [(parse_instant("2026-10-05T08:00:02Z"),)]


@pytest.mark.parametrize("topic", ["mail.support", "mail.ops"])
def test_in_the_thin_tables_source_and_id_alone_are_the_identity(client, topic):
    values = {"mail.support": [support(), support(type="channel.down", channel="web")]}.get(
        topic,
        [
            orjson.dumps(
                {"id": "e", "source": "s", "type": "incident.closed", "tenant_id": "*",
                 "time": f"20{year}-01-01T00:00:00Z", "incident_id": "i"}
            )
            for year in (25, 26)
        ],
    )  # fmt: skip
    for value in values:
        land(client, topic, [value])
    assert len(rows(client, FACT_TABLES[topic])) == 1


def test_the_same_id_from_another_source_or_tenant_is_another_event(client):
    values = [message(), message(source="mx2/postfix"), message(tenant_id="globex")]
    land(client, "mail.mta", values)
    assert len(rows(client, "mta_events")) == 3


def test_a_month_reads_its_own_partition_only(client):
    for month in ("07", "08", "09", "10"):
        when = f"2026-{month}-05T08:00:00Z"
        land(client, "mail.mta", [message(n, time=when, accepted_at=when) for n in range(50)])
    plan = client.query(
        "EXPLAIN indexes = 1 SELECT count() FROM mta_events FINAL"
        " WHERE coalesce(accepted_at, time) >= '2026-10-01'"
        " AND coalesce(accepted_at, time) < '2026-11-01'"
    ).result_rows
    assert "Parts: 1/4" in "".join(line for (line,) in plan)


def test_a_replay_of_events_from_very_many_months_lands(client):
    stamps = [
        f"{year}-{month:02d}-01T00:00:00Z" for year in range(2000, 2026) for month in range(1, 13)
    ]
    values = [message(n, time=t, accepted_at=t) for n, t in enumerate(stamps)]
    assert land(client, "mail.mta", values)[0] == len(stamps)
    assert len(rows(client, "mta_events")) == len(stamps)


def test_refused_records_and_tombstones_are_counted_and_left_out(client):
    bad = [example.value for example in examples.invalid("mail.mta") if not example.beyond_schema]
    values = [message(1), *bad, None, message(2)]
    assert land(client, "mail.mta", values) == (2, len(bad), 1)
    assert rows(client, "mta_events", "id, offset", tail="ORDER BY id") == [
        ("e-1", 0),
        ("e-2", len(values) - 1),
    ]


def test_landed_at_is_the_server_s_clock(client):
    before = time.time() - 1
    land(client, "mail.support", [support()])
    ((landed_at,),) = rows(client, "support_events", "landed_at")
    assert before <= landed_at.timestamp() <= time.time() + 1


def exclusion(kind, when, number=0, **changes):
    event = {"id": f"x-{number}", "source": "ops", "type": f"exclusion.{kind}", "tenant_id": "*"}
    event |= {"time": when, "exclusion_id": "x"}
    if kind == "declared":
        event |= {"code": "carrier", "starts_at": "2026-10-01T00:00:00Z"}
        event |= {"ends_at": "2026-10-01T01:00:00Z"}
    return orjson.dumps(event | changes)


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "in reverse"])
def test_an_exclusion_has_the_state_of_its_newest_event(client, order):
    declared = exclusion("declared", "2026-10-02T00:00:00Z", 1)
    revoked = exclusion("revoked", "2026-10-03T00:00:00Z", 2)
    again = exclusion("declared", "2026-10-04T00:00:00Z", 3, code="force_majeure", sections=[1])
    land(client, "mail.ops", [declared][::order])
    assert rows(client, "exclusions", "state, code", "") == [("declared", "carrier")]
    land(client, "mail.ops", [declared, revoked][::order])
    assert rows(client, "exclusions", "state, code", "") == [("revoked", "carrier")]
    land(client, "mail.ops", [declared, revoked, again][::order])
    assert rows(
        client, "exclusions", "tenant_id, exclusion_id, state, code, sections, revoked_at", ""
    ) == [("*", "x", "declared", "force_majeure", [1], None)]


def test_a_revocation_without_a_declaration_excludes_nothing(client):
    land(client, "mail.ops", [exclusion("revoked", "2026-10-03T00:00:00Z")])
    assert rows(client, "exclusions", final="") == []
