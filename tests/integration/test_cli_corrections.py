"""Calendars, recurring windows, outages and voidings from a terminal, against a real stack."""

import json
import uuid

import pytest
from cli_stack import running_stack
from landing_server import wait_for

from mailsla.sinks.clickhouse import connect

pytestmark = pytest.mark.embedded

FROM = "2026-10-04T02:00:00+08:00"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("corrections")) as running:
        yield running


@pytest.fixture
def clickhouse(stack):
    client = connect(stack.clickhouse())
    yield client
    client.close()


def landed(clickhouse, tenant):
    sql = "SELECT * FROM ops_events FINAL WHERE tenant_id = {t:String} ORDER BY starts_at, type"
    return list(clickhouse.query(sql, parameters={"t": tenant}).named_results())


def test_what_is_put_right_from_a_terminal_lands(stack, clickhouse):
    tenant = f"t-{uuid.uuid4().hex[:8]}"
    own = ("--tenant", tenant)
    declared = stack.out(
        *("exclude", "declare", *own, "--code", "agreed_maintenance", "--consent", "CR-1"),
        *("--from", FROM, "--duration", "40m", "--id", "cr-1", "--rrule", "FREQ=WEEKLY;COUNT=3"),
        "--new-tenant",
    ).split()
    assert declared == ["cr-1-20261003T1800", "cr-1-20261010T1800", "cr-1-20261017T1800"]
    window = ("--from", FROM, "--duration", "1h30m", "--reason", "power", "--id", "o1")
    assert stack.out("outage", "declare", *own, *window).strip() == "o1"
    for unknown in (("outage", "approve"), ("outage", "revoke"), ("exclude", "approve")):
        assert f"{tenant} has no " in stack.run(*unknown, *own, "--id", "o7", code=2).stderr
    stack.run("outage", "approve", *own, "--id", "o1")
    stack.run("exclude", "approve", *own, "--id", declared[0])
    stack.run("outage", "revoke", *own, "--id", "o1")
    voided = ("--topic", "mail.probe", "--source", "p1", "--id", "7", "--reason", "broken")
    refused = stack.run("void", *own, *voided, code=2).stderr
    assert "no event of mail.probe has come from p1 under the id 7" in refused
    assert stack.out("void", *own, *voided, "--unchecked").strip() == "p1#7"
    wait_for(lambda: len(landed(clickhouse, tenant)) == 8)
    rows = landed(clickhouse, tenant)
    types = sorted(row["type"] for row in rows)
    assert types == sorted(
        ["exclusion.declared"] * 3 + ["approval.given"] * 2
        + ["outage.declared", "outage.revoked", "event.voided"]
    )  # fmt: skip
    assert {row["voids_id"] for row in rows} == {None, "7"}


def test_a_fault_that_is_over_is_booked_in_one_step_and_what_is_voided_is_not_listed(
    stack, clickhouse
):
    tenant = f"t-{uuid.uuid4().hex[:8]}"
    own = ("--tenant", tenant)
    span = ("--at", "2026-10-03T02:00:00+08:00", "--until", "2026-10-03T02:40:00+08:00")
    opened = ("incident", "open", *own, "--kind", "fault", "--id", "i1")
    upside_down = ("--at", span[3], "--until", span[1], "--new-tenant")
    assert "--until is not after --at" in stack.run(*opened, *upside_down, code=2).stderr
    assert stack.out(*opened, *span, "--new-tenant").strip() == "i1"
    declared = ("exclude", "declare", *own, "--code", "carrier", "--id", "x1")
    stack.run(*declared, "--from", FROM, "--duration", "40m", "--new-tenant")
    wait_for(lambda: len(landed(clickhouse, tenant)) == 3)
    rows = landed(clickhouse, tenant)
    (shown,) = stack.json("incident", "list", *own)
    assert shown["opened_at"].startswith("2026-10-02T18:00")
    assert shown["closed_at"].startswith("2026-10-02T18:40")
    assert len(stack.json("exclude", "list", *own)) == 1

    reason = ("--topic", "mail.ops", "--reason", "another customer's")
    for row in rows:
        stack.run("void", *own, *reason, "--source", row["source"], "--id", row["id"])
    wait_for(lambda: len(landed(clickhouse, tenant)) == 6)
    assert stack.json("incident", "list", *own) == []
    assert stack.json("exclude", "list", *own) == []


def test_outages_and_voidings_of_a_tenant_that_nobody_knows_are_refused(stack):
    nobody = ("--tenant", f"t-{uuid.uuid4().hex[:8]}")
    window = ("--from", FROM, "--duration", "1h", "--reason", "power")
    for words in (
        ("outage", "declare", *nobody, *window),
        ("outage", "revoke", *nobody, "--id", "o1"),
        ("outage", "approve", *nobody, "--id", "o1"),
        ("void", *nobody, "--topic", "mail.ops", "--source", "p", "--id", "1", "--reason", "r"),
    ):
        refused = stack.run(*words, code=2).stderr
        assert "no tenant" in refused and "--new-tenant" in refused


def test_a_contract_may_name_a_calendar_once_it_is_published(stack, tmp_path):
    name = f"c-{uuid.uuid4().hex[:8]}"
    document = {"tenant_id": name, "version": 1, "effective_from": "2026-01-01", "calendar": name}
    contract = tmp_path / "contract.json"
    contract.write_text(json.dumps(document))
    refused = stack.run("contract", "apply", str(contract), code=2)
    assert f"no calendar {name} is published" in refused.stderr
    calendar = tmp_path / "calendar.yaml"
    calendar.write_text(
        f"calendar: {name}\nversion: 1\nholidays: [2026-10-01]\ncomplete_for: [2026]\n"
    )
    assert name in stack.out("calendar", "apply", str(calendar))
    assert stack.run("contract", "check", str(contract)).code == 0
    assert name in stack.out("contract", "apply", str(contract))
    wait_for(lambda: stack.run("calendar", "show").stdout.count(name))
    (shown,) = stack.json("calendar", "show", name)
    assert (shown["holidays"], shown["week"]) == (["2026-10-01"], "MON-FRI")
    assert "CN" in stack.out("calendar", "show")
