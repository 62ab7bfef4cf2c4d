"""What a worker tells of itself: figures of bounded number, live and ready told apart."""

import asyncio
import json
import time
import urllib.error
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from mailsla.sinks.landing.metrics import LandingCollector, LandingMetrics
from mailsla.streams.metrics import names
from mailsla.streams.metrics.health import HELD_S, LANDING_S, MOVING_S, Health
from mailsla.streams.metrics.sampling import Loop, applying
from mailsla.streams.metrics.server import serve_metrics
from mailsla.streams.settings import ConfigurationError, Settings

NOW = 1_000.0


def well(**fields):
    defaults = {"consumes": True, "beat_at": NOW, "partitions": 4, "moved_at": NOW}
    return Health("streams", **defaults | fields)


def get(address, path):
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.fixture
def served():
    health = Health("streams", consumes=True)
    return health, serve_metrics(Settings(metrics_port=0), health)


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, set()),
        ({"consumes": False, "partitions": 0}, set()),
        ({"beat_at": None}, {"loop"}),
        ({"beat_at": NOW - HELD_S - 1}, {"loop"}),
        ({"recovered": False}, {"recovery"}),
        ({"partitions": 0}, {"partitions"}),
        ({"waiting": 9, "moved_at": NOW - MOVING_S - 1}, {"moving"}),
        ({"waiting": 9, "moved_at": NOW - MOVING_S + 1}, set()),
        ({"waiting": 0, "moved_at": NOW - MOVING_S - 1}, set()),
        ({"busy_since": NOW - MOVING_S - 1}, {"moving"}),
        ({"problems": {"landing": (NOW - LANDING_S - 1, "ClickHouse takes no rows")}}, {"landing"}),
        ({"problems": {"landing": (NOW - 1, "ClickHouse takes no rows")}}, set()),
    ],
)
def test_a_worker_is_ready_when_it_does_its_work(fields, missing):
    assert set(well(**fields).missing(NOW)) == missing


def test_only_a_held_loop_asks_for_a_restart():
    stuck = well(partitions=0, recovered=False, busy_since=0.0)
    assert stuck.dead(NOW) == {}
    assert "held for 31 s" in stuck.dead(NOW + HELD_S + 1)["loop"]
    assert Health("streams").dead(NOW) == {}, "one that has not begun is not restarted"


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5)), min_size=1))
def test_the_longest_hold_is_that_of_the_last_minute(steps):
    loop, now, told = Loop(), 0.0, []
    for pause, held in steps:
        now += pause
        told.append((now, held))
        assert loop.note(now, held) == max(h for at, h in told if at >= now - 60)


def test_metrics_and_health_are_served(served):
    health, address = served
    status, content_type, text = get(address, "/metrics")
    assert (status, content_type.partition(";")[0]) == (200, "application/openmetrics-text")
    families = {family.name for family in text_string_to_metric_families(text)}
    assert {"mailsla_lag_records", "mailsla_records", "process_resident_memory_bytes"} <= families
    assert get(address, "/live")[0] == 200
    status, _, body = get(address, "/ready")
    assert (status, set(json.loads(body)["problems"])) == (503, {"loop", "partitions"})
    health.beat_at, health.partitions = time.monotonic(), 4
    assert get(address, "/ready")[0] == 200
    assert get(address, "/secret")[0] == 404


def test_a_taken_port_is_told_with_the_remedy(served):
    port = int(served[1].rpartition(":")[2])
    with pytest.raises(ConfigurationError, match="MAILSLA_METRICS_PORT"):
        serve_metrics(Settings(metrics_port=port), Health("sinks"))


def test_a_batch_is_counted_when_it_is_done():
    health = well()
    before = names.REGISTRY.get_sample_value("mailsla_records_total", {"topic": "t"}) or 0.0

    async def apply():
        async with applying(health, "t", 7):
            assert health.busy_since is not None

    asyncio.run(apply())
    assert names.REGISTRY.get_sample_value("mailsla_records_total", {"topic": "t"}) == before + 7
    assert health.busy_since is None


def test_no_metric_is_told_by_tenant():
    used = {
        label
        for metric in vars(names).values()
        if hasattr(metric, "_labelnames")
        for label in metric._labelnames
    }
    assert used == names.LABELS
    assert not {label for label in used if "tenant" in label or label == "source"}


def test_what_has_landed_is_told():
    metrics = LandingMetrics(retries=3, down_since=time.monotonic() - 5)
    metrics.rows["mta_events"] = 12
    told = {
        sample.name: sample.value
        for family in LandingCollector(metrics).collect()
        for sample in family.samples
    }
    assert told["mailsla_landed_rows_total"] == 12
    assert told["mailsla_clickhouse_errors_total"] == 3
    assert told["mailsla_clickhouse_down_seconds"] >= 5
    assert set(metrics.problems()) == {"landing"}
