"""The operator's commands against a real stack: contracts, exclusions, incidents, dead letters."""

import getpass
import json
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from cli_stack import running_stack
from landing_server import wait_for

from mailsla.sinks.clickhouse import connect
from mailsla.streams.cli.support.kafka_publish import Record, publish
from mailsla.streams.settings import load

pytestmark = pytest.mark.embedded

FROM, TO = "2026-10-03T02:00:00+08:00", "2026-10-03T02:40:00+08:00"
WIDE = 100


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("cli")) as running:
        yield running


@pytest.fixture(scope="module")
def clickhouse(stack):
    client = connect(stack.clickhouse())
    yield client
    client.close()


@pytest.fixture
def tenant():
    """A tenant of the test's own, so that tests do not see each other's facts."""
    return f"t-{uuid.uuid4().hex[:8]}"


def ops_rows(clickhouse, tenant):
    sql = "SELECT * FROM ops_events FINAL WHERE tenant_id = {t:String} ORDER BY time, type"
    return list(clickhouse.query(sql, parameters={"t": tenant}).named_results())


def contract(tenant, version, since, **more):
    return {"tenant_id": tenant, "version": version, "effective_from": since} | more


def test_an_applied_contract_lands_and_the_governing_version_is_marked(stack, tenant, tmp_path):
    stricter = {"connectivity.downtime": {"target": 600}}
    path = tmp_path / "contracts.json"
    path.write_text(
        json.dumps(
            [
                contract(tenant, 1, "2025-01-01", name="Acme [bold]Ltd[/]"),
                contract(tenant, 2, "2026-01-01", overrides=stricter),
                contract(tenant, 3, "2150-01-01"),
            ]
        )
    )
    applied = stack.out("contract", "apply", str(path))
    assert applied.count(f"{tenant} version ") == 3
    stack.run("drain", "--timeout", "60")

    shown = stack.json("contract", "show", tenant, "--terms")
    assert shown["governing_version"] == shown["terms_version"] == 2
    terms = {term["indicator"]: term["target"] for term in shown["terms"]}
    assert [version["version"] for version in shown["versions"]] == [1, 2, 3]
    assert (terms["connectivity.downtime"], terms["connectivity.ratio"]) == ("600", "0.999")
    future = stack.json("contract", "show", tenant, "--version", "3")
    assert {t["indicator"]: t["target"] for t in future["terms"]}["connectivity.downtime"] == "2640"

    table = stack.out("contract", "show", tenant, "--terms").splitlines()
    assert [line[:4].split() for line in table[1:4]] == [["1"], [">", "2"], ["3"]]
    assert "Acme [bold]Ltd[/]" in table[1]
    assert any(re.search(r"connectivity.downtime +< 600 s .*changed", line) for line in table)
    assert max(map(len, table)) <= WIDE


def test_a_bad_document_publishes_nothing(stack, tenant, tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps([contract(tenant, 1, "2025-01-01"), contract(tenant, 2, "soon")]))
    refused = stack.run("contract", "apply", str(path), code=2)
    assert "c.json, document 2, line 1, effective_from" in refused.stderr
    path.write_text(json.dumps(contract(tenant, 7, "2025-01-01")))
    stack.out("contract", "apply", str(path))
    wait_for(lambda: stack.json("contract", "show", tenant, "--new-tenant")["versions"])
    (landed,) = stack.json("contract", "show", tenant, "--new-tenant")["versions"]
    assert landed["version"] == 7


def test_a_tenant_without_a_document_is_under_the_default_contract(stack, tenant):
    shown = stack.run("contract", "show", tenant, "--terms", "--new-tenant").stdout
    assert "the default contract governs" in shown
    assert re.search(r"connectivity.downtime +< 2640 s", shown)
    assert (
        "apply it"
        in stack.run("contract", "show", tenant, "--version", "4", "--new-tenant", code=1).stderr
    )


def test_an_exclusion_is_declared_listed_and_revoked(stack, clickhouse, tenant):
    declared = stack.run(
        *("exclude", "declare", "--tenant", tenant, "--code", "carrier", "--from", FROM),
        "--new-tenant",
        *("--to", TO, "--sections", "2,1", "--note", "fibre \x1b[31mcut"),
    )
    name = declared.stdout.strip()
    assert uuid.UUID(name)
    assert declared.stderr == ""
    wait_for(lambda: stack.json("exclude", "list", "--tenant", tenant))
    (listed,) = stack.json("exclude", "list", "--tenant", tenant)
    assert (listed["exclusion_id"], listed["state"], listed["code"]) == (
        name,
        "declared",
        "carrier",
    )
    assert (listed["starts_at"], listed["ends_at"]) == (
        "2026-10-02T18:00:00Z",
        "2026-10-02T18:40:00Z",
    )
    assert listed["sections"] == [1, 2]
    assert listed["source"] == f"mailsla-cli/{getpass.getuser()}"

    table = stack.out("exclude", "list", "--tenant", tenant)
    assert name in table
    assert "\x1b" not in table
    assert max(map(len, table.splitlines())) <= WIDE

    assert stack.out("exclude", "revoke", "--tenant", tenant, "--id", name).strip() == name
    wait_for(lambda: stack.json("exclude", "list", "--tenant", tenant)[0]["state"] == "revoked")
    assert len(ops_rows(clickhouse, tenant)) == 2


def test_a_list_for_one_tenant_includes_the_platform_s_and_nobody_else_s(stack, tenant):
    for scope in (tenant, "*", "another"):
        stack.out(
            *("exclude", "declare", "--tenant", scope, "--code", "force_majeure"),
            *("--from", FROM, "--to", TO, "--id", f"{tenant}/{scope}", "--new-tenant"),
        )

    def listed():
        found = stack.json("exclude", "list", "--tenant", tenant)
        return {e["tenant_id"] for e in found if e["exclusion_id"].startswith(tenant)}

    def everything():
        return {e["exclusion_id"] for e in stack.json("exclude", "list")}

    wait_for(lambda: everything() >= {f"{tenant}/{scope}" for scope in (tenant, "*", "another")})
    assert listed() == {tenant, "*"}


@pytest.mark.parametrize(("consent", "warned"), [((), True), (("--consent", "CR-7"), False)])
def test_maintenance_without_consent_is_declared_with_a_warning(stack, tenant, consent, warned):
    declared = stack.run(
        *("exclude", "declare", "--tenant", tenant, "--code", "agreed_maintenance"),
        *("--from", FROM, "--to", TO, "--id", "m1", "--new-tenant", *consent),
    )
    assert declared.stdout == "m1\n"
    assert ("excludes nothing" in declared.stderr) is warned


def test_an_incident_is_opened_and_closed(stack, clickhouse, tenant):
    opened = stack.out(
        *("incident", "open", "--tenant", tenant, "--kind", "fault", "--at", FROM),
        *("--component", "mx1", "--new-tenant"),
    ).strip()
    wait_for(lambda: stack.json("incident", "list", "--open"))
    (still,) = [
        one for one in stack.json("incident", "list", "--open") if one["tenant_id"] == tenant
    ]
    assert (still["incident_id"], still["closed_at"]) == (opened, None)
    stack.out("incident", "close", "--tenant", tenant, "--id", opened, "--at", TO)
    wait_for(lambda: len(ops_rows(clickhouse, tenant)) == 2)
    first, last = ops_rows(clickhouse, tenant)
    assert (first["type"], first["kind"], first["component"]) == (
        "incident.opened",
        "fault",
        "mx1",
    )
    assert (last["type"], last["incident_id"]) == ("incident.closed", first["incident_id"])
    assert last["time"] - first["time"] == timedelta(minutes=40)
    assert first["id"] != last["id"]
    (listed,) = stack.json("incident", "list", "--tenant", tenant)
    assert (listed["opened_at"], listed["closed_at"]) == (
        "2026-10-02T18:00:00Z",
        "2026-10-02T18:40:00Z",
    )
    table = stack.out("incident", "list", "--tenant", tenant)
    assert opened in table
    assert max(map(len, table.splitlines())) <= WIDE


@pytest.mark.parametrize(
    "arguments",
    [
        ("exclude", "declare", "--code", "carrier", "--from", FROM, "--to", TO, "--tenant"),
        ("incident", "open", "--kind", "fault", "--tenant"),
        ("incident", "list", "--tenant"),
        ("exclude", "list", "--tenant"),
        ("close", "2026-10", "--tenant"),
        ("audit", "2026-10", "--tenant"),
        ("credits", "--all", "--tenant"),
        ("contract", "show"),
        ("watch", "--until-end", "--tenant"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_tenant_whom_nobody_knows_is_refused_with_the_nearest(stack, clickhouse, arguments):
    known(stack)
    refused = stack.run(*arguments, "harbor-lihgt", code=2)
    assert "no tenant harbor-lihgt is known; did you mean harbor-light?" in refused.stderr
    assert ops_rows(clickhouse, "harbor-lihgt") == []


def known(stack):
    """A tenant of whom a contract has landed."""
    document = contract("harbor-light", 1, "2025-01-01")
    path = stack.state_file.parent / "harbor.json"
    path.write_text(json.dumps(document))
    stack.out("contract", "apply", str(path))
    wait_for(lambda: stack.json("contract", "show", "harbor-light", "--new-tenant")["versions"])


def test_an_explanation_of_nobody_is_refused(stack):
    known(stack)
    refused = stack.run("explain", "harbor-lihgt", "connectivity.ratio", "2026-10", code=2)
    assert "did you mean harbor-light?" in refused.stderr
    typo = stack.run("explain", "harbor-light", "conectivity.ratio", "2026-10", code=2)
    assert "did you mean connectivity.ratio?" in typo.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("exclude", "revoke", "--tenant", "harbor-light", "--id", "x"), "has no exclusion x"),
        (("incident", "close", "--tenant", "*", "--id", "storm-l"), "did you mean storm-1?"),
    ],
    ids=["exclusion", "incident"],
)
def test_an_id_that_was_never_declared_is_refused(stack, monkeypatch, arguments, says):
    monkeypatch.setattr("mailsla.streams.cli.support.known.LANDING_S", 0.0)
    known(stack)
    stack.out("incident", "open", "--tenant", "*", "--kind", "adjustment", "--id", "storm-1")
    wait_for(lambda: "storm-1" in stack.out("incident", "list"))
    assert says in stack.run(*arguments, code=2).stderr


def opened_at(tenant, time):
    return {
        "id": str(uuid.uuid4()),
        "source": "test",
        "type": "incident.opened",
        "tenant_id": tenant,
        "time": time.isoformat(),
        "incident_id": "i1",
        "kind": "fault",
    }


def test_a_dead_letter_is_listed_and_replayed_once_it_passes(stack, clickhouse, tenant):
    """Too far ahead of the clock now, not so a few seconds later: a fix by waiting."""
    early = opened_at(tenant, datetime.now(UTC) + timedelta(hours=24, seconds=8))
    records = [
        Record("mail.ops", tenant.encode(), json.dumps(early).encode()),
        Record("mail.ops", tenant.encode(), b"not \x1b JSON"),
    ]
    publish(load(stack.state_file), records)
    wait_for(lambda: len(stack.json("dead-letters", "list", "--topic", "mail.ops")) == 2)
    (letter,) = stack.json("dead-letters", "list", "--reason", "ahead of the broker clock")
    assert (letter["topic"], letter["field"]) == ("mail.ops", "time")
    place = f"{letter['topic']}/{letter['partition']}/{letter['offset']}"

    table = stack.out("dead-letters", "list")
    assert place in table
    assert max(map(len, table.splitlines())) <= WIDE

    def passes():
        said = stack.out("dead-letters", "replay", "--ids", place, "--dry-run")
        return said.startswith("1 pass now and would be replayed")

    wait_for(passes)
    assert ops_rows(clickhouse, tenant) == []
    replayed = stack.out("dead-letters", "replay", "--topic", "mail.ops")
    assert replayed.startswith("1 pass now and were replayed\n1 are still refused\n  1  not valid")
    wait_for(lambda: len(ops_rows(clickhouse, tenant)) == 1)
    stack.out("dead-letters", "replay", place)
    assert len(stack.json("dead-letters", "list", "--topic", "mail.ops")) == 2


def test_a_replay_of_a_place_without_a_dead_letter_fails(stack):
    missing = stack.run("dead-letters", "replay", "--ids", "mail.mta/0/999999", code=1)
    assert "no dead letter at mail.mta/0/999999" in missing.stderr


def test_an_empty_list_of_dead_letters_says_so(stack):
    empty = stack.run("dead-letters", "list", "--topic", "mail.nothing")
    assert (empty.stdout, empty.stderr) == ("", "0 of 0 dead letters shown\n")
