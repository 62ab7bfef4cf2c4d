"""Month and year edges, partial service and silence (contract sections 3 to 9)."""

from datetime import date
from decimal import Decimal

import pytest

from mailsla.schemas.indicators import INDICATORS
from mailsla.streams.clauses.model.measure import judge, quotient
from mailsla.streams.clauses.registry import CLAUSES
from mailsla.streams.clauses.sections import operations
from mailsla.streams.time.calendar import DAY, HOUR, SECOND
from tests.unit.clauses_scene import Scene, at, contract

FREE_DAYS = "operations.fault_free_days"


def value(scene: Scene, indicator: str) -> int:
    observed = scene.measure(indicator).observed
    assert observed is not None
    return int(observed)


def test_every_indicator_outside_section_2_is_measured_in_the_order_of_the_agreement() -> None:
    wanted = [id_ for id_, each in INDICATORS.items() if each.section != 2]
    assert list(Scene().measures()) == wanted
    assert [id_ for clause in CLAUSES for id_ in clause.indicators] == wanted


def test_silence_means_nothing_until_a_source_has_spoken() -> None:
    scene = Scene()
    verdicts = {id_: scene.verdict(id_) for id_ in scene.measures()}
    judged = {id_ for id_ in verdicts if INDICATORS[id_].judged}
    assert {verdicts[id_] for id_ in judged} == {"no_data"}
    assert {verdicts[id_] for id_ in verdicts.keys() - judged} == {"not_judged"}
    scene.say("backup.failed", scene.end, "*", backup_id="b", kind="full")
    assert scene.verdict("backup.incremental") == "no_data"
    scene.say("backup.failed", scene.end - 1, "*", backup_id="b", kind="full")
    assert value(scene, "backup.incremental") == value(scene, "backup.full") == 31
    assert value(scene, "backup.retention") == 0


def test_an_open_fault_runs_to_the_end_of_the_month_and_spoils_its_days() -> None:
    scene = Scene()
    scene.incident("fault", scene.end - DAY - HOUR, None, tenant="*")
    assert value(scene, "operations.fault_duration") == 25 * 3600
    assert value(scene, FREE_DAYS) == 363
    november = Scene(month="2026-11", own=scene.own, platform=scene.platform)
    assert value(november, FREE_DAYS) == 365 - 2 - 30


def test_an_incident_runs_from_its_earliest_opening_to_the_first_closing_after() -> None:
    scene = Scene()
    start = scene.start
    for time in (start + 300 * SECOND, start + 100 * SECOND):
        scene.say("incident.opened", time, incident_id="i", kind="fault")
    for time in (start + 50 * SECOND, start + 900 * SECOND, start + 400 * SECOND):
        scene.say("incident.closed", time, incident_id="i")
    scene.say("incident.closed", start + 150 * SECOND, "*", incident_id="i")  # another's
    scene.say("incident.closed", start + 150 * SECOND, incident_id="never opened")
    assert value(scene, "operations.fault_duration") == 300


def test_the_kind_of_an_incident_is_that_of_its_earliest_opening() -> None:
    scene = Scene()
    scene.say("incident.opened", scene.start + SECOND, incident_id="i", kind="fault")
    scene.say("incident.opened", scene.start, incident_id="i", kind="adjustment")
    scene.say("incident.closed", scene.start + DAY, incident_id="i")
    assert value(scene, "operations.fault_duration") == 0
    assert value(scene, "operations.adjustment_duration") == 86_400


def test_faults_that_overlap_count_once() -> None:
    scene = Scene()
    scene.incident("fault", scene.start, scene.start + 100 * SECOND)
    scene.incident("fault", scene.start + 50 * SECOND, scene.start + 150 * SECOND, tenant="*")
    assert value(scene, "operations.fault_duration") == 150


def test_a_leap_year_allows_a_faulty_day_more() -> None:
    scene = Scene(month="2028-02")
    for day in range(6):
        scene.incident("fault", scene.start + day * DAY, scene.start + day * DAY + 1)
    assert (value(scene, FREE_DAYS), scene.verdict(FREE_DAYS)) == (360, "met")
    scene.incident("fault", scene.end - 1, scene.end)  # 29 February
    assert (value(scene, FREE_DAYS), scene.verdict(FREE_DAYS)) == (359, "breached")


def test_faulty_days_breach_once_a_year_in_the_month_of_the_sixth() -> None:
    october = Scene()
    october.say("monitor.heartbeat", at("2026-01-01"), monitor="m", interval_s=60)
    for day in range(6):
        october.incident("fault", october.end - (day + 1) * DAY, october.end - (day + 1) * DAY + 1)
    months = {
        month: Scene(month=month, own=october.own) for month in ("2026-09", "2026-11", "2027-01")
    }
    assert october.verdict(FREE_DAYS) == "breached"
    assert months["2026-09"].verdict(FREE_DAYS) == "met"
    assert months["2026-11"].verdict(FREE_DAYS) == "not_judged"
    assert value(months["2026-11"], FREE_DAYS) == 359
    assert (value(months["2027-01"], FREE_DAYS), months["2027-01"].verdict(FREE_DAYS)) == (
        365,
        "met",
    )


def test_faults_before_the_service_spoil_no_day() -> None:
    scene = Scene(versions=[contract(effective_from=date(2026, 9, 10))])
    for day in ("2026-09-09", "2026-09-10"):
        scene.incident("fault", at(f"{day} 08:00"), at(f"{day} 09:00"))
    assert value(scene, FREE_DAYS) == 364


def test_an_adjustment_spoils_no_day() -> None:
    scene = Scene()
    scene.incident("adjustment", scene.start, scene.start + HOUR)
    assert value(scene, FREE_DAYS) == 365


def test_monitoring_is_the_share_covered_by_heartbeats() -> None:
    scene = Scene()
    scene.say("monitor.heartbeat", scene.start - HOUR, "*", monitor="m", interval_s=3600)
    scene.say("monitor.heartbeat", scene.start, monitor="n", interval_s=2700)
    measure = scene.measure("operations.monitoring")
    assert (measure.numerator, measure.denominator) == (3 * HOUR // 2, 31 * DAY)
    halfway = scene.measure("operations.monitoring", scene.start + 2 * HOUR)
    assert halfway.full - halfway.numerator == HOUR // 2  # uncovered so far


def test_the_tenants_own_page_loads_come_before_the_platforms() -> None:
    scene = Scene()
    narrow, broad = "operations.page_load.narrowband", "operations.page_load.broadband"
    scene.say("page.loaded", scene.start, "*", bandwidth="narrowband", load_ms=1000)
    scene.say("page.loaded", scene.start, "*", bandwidth="broadband", load_ms=2000)
    scene.say("page.loaded", scene.end, bandwidth="narrowband", load_ms=9000)  # next month's
    assert (value(scene, narrow), value(scene, broad)) == (1, 2)
    scene.say("page.loaded", scene.end - 1, bandwidth="narrowband", load_ms=3000)
    assert (value(scene, narrow), value(scene, broad)) == (3, 2)


def test_the_fault_window_holds_open_incidents_and_availability() -> None:
    scene = Scene()
    scene.incident("fault", scene.start, None)
    scene.incident("adjustment", scene.start, scene.start + HOUR, tenant="*")
    view = scene.context().view()
    seen = operations.window(
        scene.own.ops, scene.platform.ops, view, scene.start - HOUR, scene.start + HOUR
    )
    assert (seen.open_incidents, seen.fault_us, seen.adjustment_us) == (1, HOUR, HOUR)
    assert seen.availability == Decimal("0.5")


@pytest.mark.parametrize(
    ("received", "month"),
    [("2026-10-30 23:59", "2026-11"), ("2026-09-30 12:00", "2026-10"), ("2026-10-29", "2026-10")],
)
def test_a_case_belongs_to_the_month_of_its_deadline(received: str, month: str) -> None:
    for each in ("2026-09", "2026-10", "2026-11"):
        scene = Scene(month=each)
        scene.say("complaint.received", at(received), case_id="c", origin="own_domain")
        scene.say("complaint.received", at("2026-01-05"), case_id="first", origin="foreign")
        late = scene.measure("antispam.complaint_response").numerator
        assert late == (1 if each == month else 0)


def test_only_the_earliest_receipt_and_the_earliest_answer_count() -> None:
    scene = Scene()
    for day in ("13", "12"):
        scene.say("complaint.received", at(f"2026-10-{day}"), case_id="c", origin="own_domain")
    for day in ("20", "13"):
        scene.say("complaint.responded", at(f"2026-10-{day} 18:00"), case_id="c")
    assert scene.verdict("antispam.complaint_response") == "met"
    assert scene.verdict("antispam.result_notice") == "breached"


def test_an_answer_of_another_tenant_does_not_answer() -> None:
    scene = Scene()
    scene.say("blocklist.published", at("2026-10-12"), "*", list_id="x")
    scene.say("blocklist.processed", at("2026-10-12 01:00"), list_id="x")
    assert scene.verdict("antispam.blocklist_processing") == "breached"


def test_complaints_about_other_domains_do_not_count() -> None:
    scene = Scene()
    scene.say("complaint.received", at("2026-10-12"), case_id="c", origin="foreign")
    assert scene.verdict("antispam.complaint_response") == "met"


def test_a_contract_without_chinese_holidays_has_other_deadlines() -> None:
    scene = Scene(versions=[contract(calendar="MON-FRI")])
    scene.say("complaint.received", at("2026-09-30"), case_id="c", origin="own_domain")
    scene.say("complaint.responded", at("2026-10-02"), case_id="c")
    assert scene.verdict("antispam.complaint_response") == "breached"
    assert Scene(own=scene.own).verdict("antispam.complaint_response") == "met"


def test_a_case_whose_working_days_are_unknown_is_left_out_alone(caplog) -> None:
    scene = Scene(month="2090-01")
    scene.say("complaint.received", scene.start - 60 * DAY, case_id="a", origin="own_domain")
    scene.say("complaint.received", scene.end - HOUR, case_id="b", origin="own_domain")
    assert scene.verdict("antispam.complaint_response") == "met"
    scene.say("complaint.received", scene.start, case_id="c", origin="own_domain")
    scene.say("listing.detected", scene.start - 30 * DAY, listing_id="d")
    assert scene.verdict("antispam.complaint_response") == "met"
    assert scene.measures()["antispam.result_notice"].observed == 1
    scene.verdict("antispam.complaint_response")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "acme, calendar: the deadline of " in said[0]
    assert "2090" in said[0]


def test_an_order_belongs_to_the_month_of_its_deadline() -> None:
    for month, own, new in (("2026-09", 0, 0), ("2026-10", 1, 1), ("2026-11", 0, 1)):
        scene = Scene(month=month)
        edge = Scene(month="2026-10")
        scene.say("payment.confirmed", edge.start - DAY, order_id="a", domain_kind="own")
        scene.say("payment.confirmed", edge.start - DAY - 1, order_id="b", domain_kind="new")
        scene.say("payment.confirmed", edge.end - 2 * DAY, order_id="c", domain_kind="new")
        assert scene.measure("provisioning.own_domain").numerator == own
        assert scene.measure("provisioning.new_domain").numerator == new


def test_an_order_is_done_when_opened_and_notified_by_any_of_its_events() -> None:
    scene = Scene()
    paid = scene.start
    scene.say("payment.confirmed", paid, order_id="o", domain_kind="own")
    scene.say("service.opened", paid + HOUR, order_id="o", notified_at=paid + 30 * HOUR)
    assert scene.verdict("provisioning.own_domain") == "breached"
    scene.say("service.opened", paid + 2 * HOUR, order_id="o", notified_at=paid + HOUR)
    assert scene.verdict("provisioning.own_domain") == "met"


def test_days_and_weeks_before_the_service_are_not_asked_for() -> None:
    scene = Scene(versions=[contract(effective_from=date(2026, 10, 20))])
    scene.say("backup.failed", scene.start, backup_id="b", kind="full")
    scene.say("outbreak.declared", scene.start, outbreak_id="o")
    assert value(scene, "backup.incremental") == 12
    assert value(scene, "antivirus.definition_updates") == 0
    assert Scene(own=scene.own).measure("antivirus.definition_updates").numerator == 4


def test_an_outbreak_asks_for_more_updates_as_long_as_it_lasts() -> None:
    scene = Scene()
    scene.say("outbreak.declared", at("2026-10-07"), outbreak_id="o")
    assert value(scene, "antivirus.outbreak_updates") == 3
    scene.say("outbreak.ended", at("2026-10-06"), outbreak_id="o")  # before it was declared
    scene.say("outbreak.ended", at("2026-10-12"), outbreak_id="o")
    assert value(scene, "antivirus.outbreak_updates") == 1
    scene.say("outbreak.declared", at("2026-09-01"), "*", outbreak_id="o")  # the platform's own
    assert value(scene, "antivirus.outbreak_updates") == 4


def test_mismatches_count_messages_and_unscanned_counts_records() -> None:
    scene = Scene()
    for time in (scene.start - 1, scene.start, scene.start + 1, scene.end):
        for policy, verdict in (("clean", "infected"), ("clean", "error")):
            scene.say(
                "message.scanned", time, message_id="m", mailbox="a", verdict=verdict,
                action="none", policy=policy, scan_ms=0.0005,
            )  # fmt: skip
    assert value(scene, "antivirus.policy_mismatch") == 1
    assert value(scene, "antivirus.unscanned") == 2
    delay = scene.measure("antivirus.scan_delay")
    assert (delay.numerator, delay.denominator) == (4, 4 * SECOND)  # 0.5 µs are taken as 1


def test_a_channel_keeps_its_state_from_before_the_month() -> None:
    scene = Scene()
    scene.say("channel.down", scene.start - DAY, "*", channel="phone")
    assert value(scene, "support.availability") == 0
    scene.say("channel.up", scene.start + DAY, channel="phone")
    scene.say("channel.down", scene.start + DAY, "*", channel="phone")  # same time: up counts
    measure = scene.measure("support.availability")
    assert measure.full - measure.numerator == DAY


def test_service_is_down_only_while_every_known_channel_is() -> None:
    #  phone  ?????|down---------
    #  mail   ???????????|up--|down
    scene = Scene()
    start = scene.start
    scene.say("channel.down", start + HOUR, channel="phone")
    scene.say("channel.up", start + 3 * HOUR, channel="mail")
    scene.say("channel.down", start + 4 * HOUR, channel="mail")
    scene.say("ticket.opened", start + 5 * HOUR, ticket_id="t", channel="web")
    measure = scene.measure("support.availability", start + 6 * HOUR)
    assert measure.full - measure.numerator == 4 * HOUR


def test_tickets_alone_make_no_channel_known() -> None:
    scene = Scene()
    scene.say("ticket.opened", scene.start, ticket_id="t", channel="web")
    assert scene.verdict("support.availability") == "no_data"


def test_early_deletions_are_counted_once_per_backup_and_scope() -> None:
    scene = Scene()
    for tenant in ("acme", "*"):
        for hour in (1, 2):
            scene.say(
                "backup.deleted", scene.start + hour * HOUR, tenant, backup_id="b",
                completed_at=scene.start,
            )  # fmt: skip
    assert value(scene, "backup.retention") == 2


def test_a_value_is_cut_to_nine_decimals() -> None:
    assert quotient(2, 3) == Decimal("0.666666666")
    assert quotient(-2, 3) == Decimal("-0.666666666")
    assert quotient(10**30 + 1, 10**9) == Decimal(f"{10**21}.000000001")
    assert str(quotient(0, 7)) == "0"
    assert quotient(1, 0) is None


def test_a_clause_switched_off_by_contract_is_shown_but_not_judged() -> None:
    scene = Scene(versions=[contract(overrides={"support.availability": {"judged": False}})])
    scene.say("channel.down", scene.start, channel="web")
    measure = scene.measure("support.availability")
    assert measure.observed == 0
    assert judge(measure, scene.governed.contract.term("support.availability")) == "not_judged"
