"""Working days of a closed month: stored with it, changed afterwards, decided only later; and
tenants that cannot be judged, who keep nobody else waiting."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import partial

import chinese_calendar
import pytest

from mailsla.schemas.calendars import Calendars
from mailsla.schemas.contract import default_contract
from mailsla.sinks.closing.errors import MonthNotOverError
from mailsla.sinks.closing.plan.contract_segments import micros
from mailsla.sinks.closing.plan.plan_store import Promised, refresh_plan, refresh_plans
from mailsla.sinks.closing.revisions.diff import diff_month
from mailsla.sinks.closing.run.audit import audit_month
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.verify import verify_month
from mailsla.sinks.schema import schema_trouble
from mailsla.streams.cli.support.doctor.landed import LANDED
from mailsla.streams.settings import Settings
from tests.integration.test_closing.ledger import close, land, publish
from tests.reference.scenario import CUTOFF, TENANT, at, contract, event, sent

pytestmark = pytest.mark.embedded

OCTOBER = date(2025, 10, 1)
DECEMBER = date(2025, 12, 1)
JUST = timedelta(microseconds=1)
LATER = CUTOFF + timedelta(days=10)
COMPLAINED = event("complaint.received", at(10), case_id="c")
ANSWERED = event("complaint.responded", at(12, 9), case_id="c")


def failures_of(client, month=OCTOBER, **options):
    failures = []
    closed = close_month(client, month, now=LATER, failed=failures.append, **options)
    return [each.tenant_id for each in closed], [(f.tenant_id, f.field) for f in failures]


def store(client, tenant, **fields):
    """A document in the table that no present reader would let in."""
    head = {"version": 1, "effective_from": "2025-01-01"}
    document = default_contract(tenant).model_dump(mode="json") | head | fields
    columns = {
        "tenant_id": tenant, "version": 1, "document": json.dumps(document),
        "effective_from": date(2025, 1, 1), "recorded_at": CUTOFF, "offset": 0,
    }  # fmt: skip
    client.insert("contracts", [list(columns.values())], column_names=list(columns))


def late(closing):
    found = {item.indicator: item.observed for item in closing.items}
    return int(found["antispam.complaint_response"])


def test_a_revision_keeps_the_days_it_was_judged_by(client, monkeypatch):
    contracts = [contract()]
    (first,) = close(client, [COMPLAINED, ANSWERED], now=CUTOFF, contracts=contracts)
    assert late(first) == 1  # 11 October 2025 is a working Saturday

    # Another release of the calendar: the Saturday is free, and Monday the next working day.
    real = chinese_calendar.is_workday
    monkeypatch.setattr(
        chinese_calendar, "is_workday", lambda day: day != date(2025, 10, 11) and real(day)
    )
    (second,) = close_month(client, OCTOBER, contracts=contracts, now=LATER)
    assert (second.revision, late(second)) == (2, 0)
    (difference,) = diff_month(client, OCTOBER)
    (day,) = difference.causes.days
    assert (day.calendar, day.day, day.worked) == ("CN", date(2025, 10, 11), True)
    assert [check.differences for check in verify_month(client, OCTOBER)] == [(), ()]


def test_a_published_calendar_is_used_and_a_new_one_does_not_change_what_is_closed(client):
    contracts = [contract(calendar="acme")]
    document = {"calendar": "acme", "version": 1, "complete_for": [2024, 2025]}
    publish(client, "sla.calendars", document)
    (first,) = close(client, [COMPLAINED, ANSWERED], now=CUTOFF, contracts=contracts)
    assert late(first) == 0  # the next working day is Monday the 13th
    extra = document | {"version": 2, "working_days": ["2025-10-11"]}
    publish(client, "sla.calendars", extra)
    assert verify_month(client, OCTOBER)[0].differences == ()
    (second,) = close_month(client, OCTOBER, contracts=contracts, now=LATER, dry_run=True)
    assert (second.revision, late(second)) == (2, 1)


def test_what_hangs_on_undecided_days_of_december_is_provisional_until_they_are(
    client, monkeypatch
):
    monkeypatch.setattr("mailsla.schemas.calendars.last_official_year", lambda: 2025)
    now = datetime(2026, 1, 10, tzinfo=UTC)
    hangs = event("complaint.received", at(26, month=12), case_id="c", tenant_id="hangs")
    other = event("complaint.received", at(12, month=12), case_id="c", tenant_id="other")
    closed = close(client, [hangs, other], DECEMBER, now=now)
    assert [(one.tenant_id, one.provisional, one.undecided) for one in closed] == [
        ("hangs", True, ("antispam.complaint_response",)),
        ("other", False, ()),
    ]
    monkeypatch.setattr("mailsla.schemas.calendars.last_official_year", lambda: 2026)
    final = close_month(client, DECEMBER, contracts=[], now=now)
    assert [(one.revision, one.provisional, one.undecided) for one in final] == [
        (2, False, ()),
        (1, False, ()),
    ]
    assert final[0].items == closed[0].items


def test_a_tenant_with_each_kind_of_damage_stops_nobody(client):
    head = {"version": 1, "effective_from": "2025-01-01"}
    good = [{"tenant_id": f"t{number:03}"} | head for number in range(40)]
    unpublished = {"tenant_id": "unpublished", "calendar": "nobody"} | head
    publish(client, "sla.contracts", *good, unpublished)
    # What a release before this one took.
    store(client, "misspelt", calendar="MON-FRY")
    store(client, "endless", profile={"max_latency_s": 10**15})
    told = LANDED["calendars"](client, Settings())
    assert told.state == "wrong"
    assert "the calendar 'nobody' is not published" in told.detail
    assert "(unpublished)" in told.detail
    names = [each["tenant_id"] for each in good]
    closed, failures = failures_of(client)
    assert closed == names
    assert failures == [
        ("endless", "profile.max_latency_s"),
        ("misspelt", "calendar"),
        ("unpublished", "calendar"),
    ]
    shown = client.query("SELECT tenant_id, field FROM left_out(month = '2025-10-01')").result_rows
    assert sorted(shown) == failures

    # Once it is mended, the next run takes it up; the others stay as they are.
    publish(client, "sla.calendars", {"calendar": "nobody", "version": 1,
                                      "complete_for": [2024, 2025]})  # fmt: skip
    closed, failures = failures_of(client)
    assert closed == [*names, "unpublished"]
    assert len(failures) == 2
    revisions = "SELECT DISTINCT revision FROM closings"
    assert client.query(revisions).result_rows == [(1,)]


DAMAGE = {
    "calendar": [{"calendar": "nobody"}, {"calendar": "MON-FRY"}],
    "profile.max_latency_s": [{"profile": {"max_latency_s": 10**15}}],
    "timezone": [{"timezone": "Mars/Base"}],
}


def test_of_a_thousand_tenants_999_are_closed_and_the_damaged_one_is_named(client):
    head = {"version": 1, "effective_from": "2025-01-01"}
    names = [f"t{number:03}" for number in range(999)]
    publish(client, "sla.contracts", *({"tenant_id": name} | head for name in names))
    dry = False
    for field, kinds in DAMAGE.items():
        for fields in kinds:
            store(client, "damaged", **fields)
            closed, ((tenant, named),) = failures_of(client, dry_run=dry)
            assert closed == names
            assert (tenant, named.partition(".")[0]) == ("damaged", field.partition(".")[0])
            client.command("DELETE FROM contracts WHERE tenant_id = 'damaged'")
            dry = True
    assert client.query("SELECT count() FROM closings").result_rows == [(999,)]


def test_a_tenant_whose_month_is_not_over_waits_alone(client):
    far = contract(tenant_id="far", timezone="Pacific/Honolulu")
    now = at(1, month=11) + timedelta(hours=1)
    land(client, [sent(at(3), 1, "m")], now - timedelta(minutes=1))
    failures = []
    closed = close_month(
        client, OCTOBER, contracts=[contract(), far], now=now, failed=failures.append
    )
    assert [one.tenant_id for one in closed] == [TENANT]
    assert [(each.tenant_id, each.field) for each in failures] == [("far", "timezone")]
    with pytest.raises(MonthNotOverError):
        close_month(client, OCTOBER, contracts=[far], tenants=["far"], now=now)


def test_of_invented_tenants_the_first_are_judged_and_that_there_are_more_is_said(
    client, monkeypatch
):
    published = contract(tenant_id="published")
    lives = [("late", 3), ("b", 2), ("published", 3), ("a", 2), ("c", 1)]
    for name, landed_day in lives:
        land(client, [sent(at(5), 1, name, tenant_id=name)], at(landed_day, month=11))

    def planned(most):
        promised = Promised([published])
        stored = refresh_plan(client, OCTOBER, promised, micros(LATER), Calendars(), most)
        shown = client.query("SELECT tenant_id, field FROM left_out(month = '2025-10-01')")
        return sorted(stored.plan.periods), shown.result_rows

    assert planned(4) == (["a", "b", "c", "late", "published"], [])
    assert planned(3) == (["a", "b", "c", "published"], [("*", "contract")])
    assert planned(1) == (["c", "published"], [("*", "contract")])

    # Of those left out the live worker may say something: that is no difference.
    status = ["a", "latency.send.mean", "2025-10", 2, 7, "ok"]
    names = ["tenant_id", "indicator", "period", "section", "observed", "state"]
    client.insert("status", [status], column_names=names)
    refresh = partial(refresh_plan, most_unknown=1)
    monkeypatch.setattr("mailsla.sinks.closing.run.close_month.refresh_plan", refresh)
    told = audit_month(client, OCTOBER, now=LATER).differences
    assert {one.tenant_id for one in told} == {"c"}


@pytest.mark.parametrize(("since_new_year", "given_up"), [(-JUST, False), (0 * JUST, True)])
def test_a_month_is_given_up_live_once_the_third_after_it_has_begun(
    client, since_new_year, given_up
):
    """``behind`` is another task's, and nothing was told yet of ``untold``."""
    come_to = at(1, month=12) + timedelta(days=31) + since_new_year
    for name in ("told", "behind", "untold"):
        land(client, [sent(at(5), 1, name, tenant_id=name)], at(1, month=11))
    told = [
        ["told", "2025-10", 0, at(31)],
        ["told", f"{come_to:%Y-%m}", 0, come_to],
        ["behind", "2025-10", 1, at(31)],
        ["behind", "2025-11", 1, at(20, month=11)],
    ]
    alike = ["latency.send.mean", 2, 7, "ok"]
    names = ["tenant_id", "period", "partition", "event_time"]
    names += ["indicator", "section", "observed", "state"]
    client.insert("status", [[*one, *alike] for one in told], column_names=names)
    found = audit_month(client, OCTOBER, now=LATER)
    assert found.given_up == (("told", "untold") if given_up else ())
    differ = {one.tenant_id for one in found.differences}
    assert differ == ({"behind"} if given_up else {"told", "behind", "untold"})


def test_the_views_of_a_month_that_a_former_release_planned_come_with_the_next_plan(client):
    """In an upgrade: a worker of the release before has planned a month after the migration."""
    land(client, [sent(at(5), 1, "m", tenant_id="acme")], CUTOFF)
    refresh_plans(client, 0)
    client.command("DROP VIEW closing_open_2025_10")
    assert schema_trouble(client) == (
        "missing or incomplete: closing_open_2025_10; run mailsla migrate"
    )
    refresh_plans(client, 0)
    found = client.query("SELECT DISTINCT tenant_id FROM clause_results(month = '2025-10-01')")
    assert found.result_rows == [("acme",)]
