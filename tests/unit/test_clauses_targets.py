"""Every indicator just inside, at and just beyond its target (contract sections 1, 3 to 9)."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from mailsla.schemas.indicators import INDICATORS
from mailsla.streams.clauses.model.measure import Measure, judge
from mailsla.streams.clauses.sections.latency import DirectionTotals, Exceedances, LatencyTotals
from mailsla.streams.clauses.sections.latency import measure as measure_latency
from mailsla.streams.time.calendar import DAY, HOUR, SECOND
from tests.unit.clauses_scene import Scene, at, contract, fact

MINUTE = 60 * SECOND
Story = Callable[[Scene], None]


def _downtime(us: int) -> Story:
    return lambda scene: scene.outage(scene.start + DAY, scene.start + DAY + us)


def _fault(us: int, kind: str = "fault") -> Story:
    return lambda scene: scene.incident(kind, scene.start + DAY, scene.start + DAY + us)


def _faulty_days(number: int) -> Story:
    def tell(scene: Scene) -> None:
        for day in range(number):
            noon = scene.start + day * DAY + 12 * HOUR
            scene.incident("fault", noon, noon + 1)

    return tell


def _billing(charged: int, wrong: int) -> Story:
    def tell(scene: Scene) -> None:
        month = {"billing_month": scene.month}
        later = scene.end + DAY  # events may come whenever; the billing month counts
        for number in range(charged):
            fields = month | {"charge_id": f"c{number}", "amount": "1", "currency": "CNY"}
            scene.register.observe(fact("customer.charged", later, f"t{number}", **fields))
        for number in range(wrong):
            fields = month | {"charge_id": f"c{number}"}
            scene.register.observe(fact("billing.error_confirmed", later, f"t{number}", **fields))

    return tell


def _pages(bandwidth: str, *load_ms: float) -> Story:
    def tell(scene: Scene) -> None:
        for number, each in enumerate(load_ms):
            scene.say("page.loaded", scene.start + number, bandwidth=bandwidth, load_ms=each)

    return tell


def _watched(gap: int) -> Story:
    def tell(scene: Scene) -> None:
        length = scene.end - scene.start
        half = (length - gap) / 2 / SECOND
        scene.say("monitor.heartbeat", scene.start, monitor="m", interval_s=half)

    return tell


def _complaint(answer: str, when: str | None, received: str = "2026-10-12 09:00") -> Story:
    def tell(scene: Scene) -> None:
        scene.say("complaint.received", at(received), case_id="c", origin="own_domain")
        if when is not None:
            scene.say(answer, at(when), case_id="c")

    return tell


def _list(begin: str, answer: str, name: str, when: str | None, tenant: str = "*") -> Story:
    def tell(scene: Scene) -> None:
        scene.say(begin, at("2026-10-12 00:00"), tenant, **{name: "x"})
        if when is not None:
            scene.say(answer, at(when), tenant, **{name: "x"})

    return tell


def _reported(*whom: str) -> Story:
    def tell(scene: Scene) -> None:
        scene.say("source.confirmed", at("2026-10-12 00:00"), case_id="s")
        for each in whom:
            scene.say("source.reported", at("2026-10-13 00:00"), case_id="s", reported_to=each)

    return tell


def _updates(*times: str) -> Story:
    def tell(scene: Scene) -> None:
        for time in times:
            scene.say("definitions.updated", at(time), "*", engine="e", version="1")

    return tell


EVERY_WEEK = ("2026-09-28 00:00", "2026-10-05 00:00", "2026-10-12 00:00", "2026-10-25 23:59")


def _outbreak(*times: str) -> Story:
    def tell(scene: Scene) -> None:
        _updates(*times)(scene)
        scene.say("outbreak.declared", at("2026-10-11 23:59"), "*", outbreak_id="o")
        scene.say("outbreak.ended", at("2026-10-12 00:00"), "*", outbreak_id="o")

    return tell


def _scan(verdict: str, action: str, policy: str, **fields: object) -> Story:
    return lambda scene: (
        scene.say(
            "message.scanned",
            scene.start,
            message_id="m",
            mailbox="a@acme.cn",
            verdict=verdict,
            action=action,
            policy=policy,
            **fields,
        )
        and None
    )


def _intrusions(number: int) -> Story:
    def tell(scene: Scene) -> None:
        scene.say(
            "security.incident", scene.start - 1, incident_id="before", kind="k", severity="low"
        )
        for each in range(number):
            scene.say(
                "security.incident", scene.start, incident_id=f"i{each}", kind="k", severity="low"
            )

    return tell


def _backups(kind: str, every: int, shift: int = 0, skip: int | None = None) -> Story:
    def tell(scene: Scene) -> None:
        for day in range(-every, 31 + every, every):
            if day != skip:
                time = scene.start + day * DAY + shift
                scene.say(
                    "backup.completed", time, "*", backup_id=f"b{day}", kind=kind, started_at=time
                )

    return tell


def _deleted(completed: str, deleted: str) -> Story:
    return lambda scene: (
        scene.say("backup.deleted", at(deleted), backup_id="b", completed_at=at(completed)) and None
    )


def _purged(purged: int) -> Story:
    """Locked so that the 91st local day after begins on 20 October."""
    return lambda scene: (
        scene.say(
            "account.purged",
            at("2026-10-20 00:00") + purged,
            account="a@acme.cn",
            locked_at=at("2026-07-21 15:00"),
        )
        and None
    )


def _order(kind: str, hours: float, notified_after: int = 0) -> Story:
    def tell(scene: Scene) -> None:
        paid = at("2026-10-20 10:00")
        opened = paid + int(hours * HOUR)
        scene.say("payment.confirmed", paid, order_id="o", domain_kind=kind)
        scene.say("service.opened", opened, order_id="o", notified_at=opened + notified_after)

    return tell


def _unreachable(us: int) -> Story:
    def tell(scene: Scene) -> None:
        scene.say("channel.up", scene.start - DAY, "*", channel="phone")
        if us:
            scene.say("channel.down", scene.start + DAY, "*", channel="phone")
            scene.say("channel.up", scene.start + DAY + us, "*", channel="phone")

    return tell


NINE_UPS = 31 * DAY // 10_000
"""What the availability of a month of 31 days allows, microseconds."""

CASES: list[tuple[str, str, Story, str]] = [
    ("connectivity.downtime", "inside", _downtime(2640 * SECOND - 1), "met"),
    ("connectivity.downtime", "at", _downtime(2640 * SECOND), "breached"),
    ("connectivity.downtime", "beyond", _downtime(2640 * SECOND + 1), "breached"),
    ("connectivity.ratio", "inside", _downtime(31 * DAY // 1000 - 1), "met"),
    ("connectivity.ratio", "at", _downtime(31 * DAY // 1000), "met"),
    ("connectivity.ratio", "beyond", _downtime(31 * DAY // 1000 + 1), "breached"),
    ("operations.fault_duration", "inside", _fault(6000 * SECOND - 1), "met"),
    ("operations.fault_duration", "at", _fault(6000 * SECOND), "met"),
    ("operations.fault_duration", "beyond", _fault(6000 * SECOND + 1), "breached"),
    ("operations.adjustment_duration", "inside", _fault(6000 * SECOND - 1, "adjustment"), "met"),
    ("operations.adjustment_duration", "at", _fault(6000 * SECOND, "adjustment"), "met"),
    (
        "operations.adjustment_duration",
        "beyond",
        _fault(6000 * SECOND + 1, "adjustment"),
        "breached",
    ),
    ("operations.availability", "inside", _fault(NINE_UPS - 1), "met"),
    ("operations.availability", "at", _fault(NINE_UPS), "met"),
    ("operations.availability", "beyond", _fault(NINE_UPS + 1), "breached"),
    ("operations.fault_free_days", "inside", _faulty_days(4), "met"),
    ("operations.fault_free_days", "at", _faulty_days(5), "met"),
    ("operations.fault_free_days", "beyond", _faulty_days(6), "breached"),
    ("operations.billing_error_rate", "beyond", _billing(33_333, 1), "breached"),
    ("operations.page_load.narrowband", "inside", _pages("narrowband", 29_999.999, 30_000), "met"),
    ("operations.page_load.narrowband", "at", _pages("narrowband", 20_000, 40_000), "met"),
    ("operations.page_load.narrowband", "beyond", _pages("narrowband", 30_000.001), "breached"),
    ("operations.page_load.broadband", "inside", _pages("broadband", 9_999.999), "met"),
    ("operations.page_load.broadband", "at", _pages("broadband", 10_000), "met"),
    ("operations.page_load.broadband", "beyond", _pages("broadband", 10_000.002, 10_000),
     "breached"),
    ("operations.monitoring", "at", _watched(0), "not_judged"),
    ("operations.monitoring", "beyond", _watched(SECOND), "not_judged"),
    ("antispam.complaint_response", "inside",
     _complaint("complaint.responded", "2026-10-13 23:59:59.999999"), "met"),
    ("antispam.complaint_response", "at",
     _complaint("complaint.responded", "2026-10-14 00:00"), "breached"),
    ("antispam.complaint_response", "beyond", _complaint("complaint.responded", None), "breached"),
    ("antispam.result_notice", "inside",
     _complaint("complaint.result_notified", "2026-10-15 23:59:59.999999"), "met"),
    ("antispam.result_notice", "at",
     _complaint("complaint.result_notified", "2026-10-16 00:00"), "breached"),
    ("antispam.result_notice", "beyond", _complaint("complaint.result_notified", None), "breached"),
    ("antispam.blocklist_processing", "inside",
     _list("blocklist.published", "blocklist.processed", "list_id", "2026-10-13 23:59"), "met"),
    ("antispam.blocklist_processing", "at",
     _list("blocklist.published", "blocklist.processed", "list_id", "2026-10-14"), "breached"),
    ("antispam.blocklist_processing", "beyond",
     _list("blocklist.published", "blocklist.processed", "list_id", None), "breached"),
    ("antispam.listing_report", "inside",
     _list("listing.detected", "listing.reported", "listing_id", "2026-10-13 23:59", "acme"),
     "met"),
    ("antispam.listing_report", "at",
     _list("listing.detected", "listing.reported", "listing_id", "2026-10-14", "acme"), "breached"),
    ("antispam.listing_report", "beyond",
     _list("listing.detected", "listing.reported", "listing_id", None, "acme"), "breached"),
    ("antispam.foreign_source_report", "at", _reported("association", "provider", "nsp"),
     "not_judged"),
    ("antispam.foreign_source_report", "beyond", _reported("association", "nsp"), "not_judged"),
    ("antivirus.definition_updates", "at", _updates(*EVERY_WEEK), "met"),
    ("antivirus.definition_updates", "beyond", _updates(*EVERY_WEEK[:3]), "breached"),
    ("antivirus.definition_updates", "beyond", _updates(*EVERY_WEEK[:3], "2026-10-26 00:00"),
     "breached"),
    ("antivirus.outbreak_updates", "at", _outbreak("2026-10-05", "2026-10-11 23:59"), "met"),
    ("antivirus.outbreak_updates", "beyond", _outbreak("2026-10-05", "2026-10-12 00:00"),
     "breached"),
    ("antivirus.unscanned", "at", _scan("skipped", "none", "off"), "met"),
    ("antivirus.unscanned", "beyond", _scan("skipped", "none", "detect"), "breached"),
    ("antivirus.unscanned", "beyond", _scan("error", "none", "clean"), "breached"),
    ("antivirus.policy_mismatch", "at", _scan("infected", "cleaned", "clean"), "met"),
    ("antivirus.policy_mismatch", "at", _scan("infected", "tagged", "detect"), "met"),
    ("antivirus.policy_mismatch", "at",
     _scan("clean", "none", "clean", kept_original=True, keep_original_policy=False), "met"),
    ("antivirus.policy_mismatch", "beyond", _scan("infected", "tagged", "clean"), "breached"),
    ("antivirus.policy_mismatch", "beyond", _scan("clean", "deleted", "detect"), "breached"),
    ("antivirus.policy_mismatch", "beyond",
     _scan("infected", "cleaned", "clean", kept_original=False, keep_original_policy=True),
     "breached"),
    ("antivirus.scan_delay", "at", _scan("clean", "none", "clean", scan_ms=12.5), "not_judged"),
    ("security.incidents", "at", _intrusions(0), "not_judged"),
    ("security.incidents", "beyond", _intrusions(2), "not_judged"),
    ("backup.incremental", "at", _backups("differential", 1, DAY - 1), "met"),
    ("backup.incremental", "beyond", _backups("full", 1, skip=7), "breached"),
    ("backup.full", "at", _backups("full", 3, DAY - 1), "met"),
    ("backup.full", "beyond", _backups("full", 4), "breached"),
    ("backup.full", "beyond", _backups("incremental", 1), "breached"),
    ("backup.retention", "inside", _deleted("2026-09-15 10:00", "2026-10-16 00:01"), "met"),
    ("backup.retention", "at", _deleted("2026-09-15 10:00", "2026-10-16 00:00"), "met"),
    ("backup.retention", "beyond",
     _deleted("2026-09-15 10:00", "2026-10-15 23:59:59.999999"), "breached"),
    ("backup.account_retention", "inside", _purged(1), "met"),
    ("backup.account_retention", "at", _purged(0), "met"),
    ("backup.account_retention", "beyond", _purged(-1), "breached"),
    ("provisioning.own_domain", "inside", _order("own", 23.99), "met"),
    ("provisioning.own_domain", "at", _order("own", 24), "met"),
    ("provisioning.own_domain", "beyond", _order("own", 24, notified_after=1), "breached"),
    ("provisioning.new_domain", "inside", _order("new", 47.99), "met"),
    ("provisioning.new_domain", "at", _order("new", 48), "met"),
    ("provisioning.new_domain", "beyond", _order("new", 48, notified_after=1), "breached"),
    ("support.availability", "at", _unreachable(0), "met"),
    ("support.availability", "beyond", _unreachable(1), "breached"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("indicator", "story", "verdict"),
    [pytest.param(id_, story, verdict, id=f"{id_}-{place}-{verdict}")
     for id_, place, story, verdict in CASES],
)  # fmt: skip
def test_the_verdict_turns_at_the_target(indicator: str, story: Story, verdict: str) -> None:
    scene = Scene()
    story(scene)
    assert scene.verdict(indicator) == verdict
    assert scene.measure(indicator).observed is not None or indicator == "security.incidents"


def test_every_indicator_outside_section_2_is_measured_at_and_beyond_its_target() -> None:
    told = {(id_, place) for id_, place, _, _ in CASES}
    for id_, indicator in INDICATORS.items():
        if indicator.section != 2 and indicator.target is not None:
            at_target = id_ == "operations.billing_error_rate" or (id_, "at") in told
            assert at_target, id_
            assert (id_, "beyond") in told, id_


def test_operations_billing_error_rate_turns_at_three_in_a_hundred_thousand() -> None:
    scene = Scene()
    _billing(100_000, 2)(scene)
    verdicts = [scene.verdict("operations.billing_error_rate")]
    for number in (2, 3, 99_999, 100_000):  # the last was never charged
        fields = {"charge_id": "c", "billing_month": scene.month}
        told = fact("billing.error_confirmed", scene.end, f"t{number}", **fields)
        scene.register.observe(told)
        verdicts.append(scene.verdict("operations.billing_error_rate"))
    assert verdicts == ["met", "met", "breached", "breached", "breached"]
    assert scene.measure("operations.billing_error_rate").observed == Decimal("0.00005")


@pytest.mark.parametrize(
    ("incidents", "verdict"), [(1, "met"), (2, "met"), (3, "breached")], ids=lambda each: str(each)
)
def test_security_incidents_are_judged_once_a_contract_sets_a_target(
    incidents: int, verdict: str
) -> None:
    promise = {"security.incidents": {"target": 2, "comparator": "<=", "remedy": "fee_waiver"}}
    scene = Scene(versions=[contract(overrides=promise)])
    _intrusions(incidents)(scene)
    assert scene.verdict("security.incidents") == verdict


def _latency(sum_us: int, count: int, exceedances: int = 0) -> dict[str, Measure]:
    largest = LatencyTotals(sum_us, count, sum_us)
    totals = DirectionTotals(largest, LatencyTotals(sum_us + 5, count + 1, sum_us))
    over = Exceedances(exceedances, exceedances + 1)
    return {each.indicator: each for each in measure_latency(totals, totals, over, spoken=True)}


_LATENCY_CASES = [
    *(
        pytest.param(id_, (3 * 60 * SECOND + excess, 3), verdict, id=f"{id_}-{place}-{verdict}")
        for id_ in ("latency.send.mean", "latency.receive.mean")
        for excess, place, verdict in (
            (-1, "inside", "met"),
            (0, "at", "met"),
            (1, "beyond", "breached"),
        )
    ),
    *(
        pytest.param(id_, (SECOND, 1, number), verdict, id=f"{id_}-{place}-{verdict}")
        for id_, number, place, verdict in (
            ("latency.exceedances", 1, "inside", "met"),
            ("latency.exceedances", 2, "at", "breached"),
            ("latency.exceedances", 3, "beyond", "breached"),
        )
    ),
]


@pytest.mark.parametrize(("indicator", "totals", "verdict"), _LATENCY_CASES)
def test_the_verdict_of_section_2_turns_at_the_target(
    indicator: str, totals: tuple[int, ...], verdict: str
) -> None:
    measure = _latency(*totals)[indicator]
    assert judge(measure, contract().term(indicator)) == verdict
    assert measure.taken == 1


def test_latency_without_a_message_has_no_value_and_the_maximum_is_only_shown() -> None:
    none = {
        each.indicator: each
        for each in measure_latency(DirectionTotals(), DirectionTotals(), Exceedances(), False)
    }
    terms = contract()
    assert [each.observed for each in none.values()] == [None] * 5
    assert {id_: judge(each, terms.term(id_)) for id_, each in none.items()} == {
        "latency.send.mean": "no_data",
        "latency.receive.mean": "no_data",
        "latency.exceedances": "no_data",
        "latency.send.max": "not_judged",
        "latency.receive.max": "not_judged",
    }
    assert _latency(4000 * SECOND, 1)["latency.send.max"].observed == Decimal(4000)
    assert _latency(SECOND, 1, 2)["latency.exceedances"].raw == 3
