"""Rendering alone: one whole document in either language, and what stands where."""

import json
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from statement_scene import CONTRACT, EXCLUSION, OCTOBER, STATEMENT, at, changed, credit, revised

from mailsla.schemas.presentation.language import LANGUAGES
from mailsla.sinks.closing.plan.contract_segments import period_of
from mailsla.sinks.closing.plan.plan import HOUR_US
from mailsla.sinks.statement.errors import StatementError
from mailsla.sinks.statement.facts.content import Voided
from mailsla.sinks.statement.facts.maintenance import maintenance_of
from mailsla.sinks.statement.facts.parts import read_parts
from mailsla.sinks.statement.making import content_of, file_name
from mailsla.sinks.statement.provider import LARGEST_LOGO, provider_of
from mailsla.sinks.statement.render.document import render

SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """Headings, text, tables and what a browser would load."""

    def __init__(self, html):
        super().__init__()
        self.levels, self.words, self.loaded, self.language = [], [], [], ""
        self.bare_headers = 0
        self._silent = 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "html":
            self.language = given["lang"]
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "th" and "scope" not in given:
            self.bare_headers += 1
        if {"src", "srcset", "data"} & given.keys() or tag in {"link", "script", "iframe"}:
            self.loaded.append(tag)
        self._silent += tag == "style"

    def handle_endtag(self, tag):
        self._silent -= tag == "style"

    def handle_data(self, data):
        if not self._silent and data.strip():
            self.words.append(" ".join(data.split()))

    @property
    def text(self):
        return " ".join(self.words)


def page(statement=STATEMENT, language="en"):
    return Page(render(statement, language))


@pytest.fixture(params=LANGUAGES)
def shown(request):
    return page(language=request.param)


def drawings(statement=STATEMENT, language="en"):
    """Chart name → the parsed image."""
    found = re.findall(r"<svg.*?</svg>", render(statement, language), re.DOTALL)
    images = [ElementTree.fromstring(one) for one in found]
    return {image.get("aria-labelledby").partition("-title")[0]: image for image in images}


def test_the_document_is_whole_and_loads_nothing(shown):
    assert shown.language in {"zh-CN", "en"}
    assert not shown.loaded
    assert not shown.bare_headers
    assert shown.levels[0] == 1
    assert shown.levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(shown.levels))


def test_the_verdict_and_what_is_owed_come_first():
    text = page().text
    order = [
        "Verdict: breached",
        "the term is extended by 31 days",
        "The month's fee is waived: 1200.50 CNY.",
        "takes back what revision 1 issued",
        "At a glance",
        "1 · Connectivity:",
    ]
    places = [text.index(one) for one in order]
    assert places == sorted(places)


def test_remedies_that_stack_are_one_line_with_their_sections():
    fee = credit("fee_waiver", amount=Decimal("1200.5"), currency="CNY")
    term, taken = credit("double_service", days=31), credit("double_service", "reversal", days=31)
    breached = {"connectivity.downtime", "connectivity.ratio", "operations.availability"} | {
        "antivirus.unscanned",
        "provisioning.own_domain",
    }
    items = [
        item.model_copy(update={"verdict": "breached" if item.indicator in breached else "met"})
        for item in STATEMENT.items
    ]
    text = page(changed(items=items, credits=[term, term, fee, fee, taken, taken])).text
    assert (
        "Double service: 2 × the month's term (sections 1, 3); the term is extended by 62 days."
        in text
    )
    assert "Fees waived: 2 × the month's fee (sections 5, 8); 2401.00 CNY in all." in text
    assert "Double service: 2 × the month's term; the term is extended by 62 days" in text
    assert text.count("extended by") == 2
    chinese = render(changed(items=items, credits=[term, term]), "zh")
    assert "2 × 当月服务时长（第 1、3 条）；服务期延长 62 天。" in chinese


def test_every_indicator_stands_in_its_section_in_the_agreement_s_order():
    found = re.findall(r'data-indicator="([^"]+)" data-verdict="([^"]+)"', render(STATEMENT, "zh"))
    assert found == [(item.indicator, item.verdict) for item in STATEMENT.items]


def test_what_others_wrote_comes_out_as_text(shown):
    assert "<script>alert(1)</script>" in shown.text
    assert "甲公司 <Acme & Söhne>" in shown.text


def test_of_more_evidence_than_is_listed_the_total_is_named():
    assert "In all: 41; listed: 1." in page().text


def test_exclusions_say_whether_they_apply_and_on_whose_consent():
    fields = {name: getattr(EXCLUSION, name) for name in EXCLUSION.__dataclass_fields__}
    bare = type(EXCLUSION)(**fields | {"exclusion_id": "bare", "consent_ref": ""})
    back = type(EXCLUSION)(**fields | {"exclusion_id": "back", "revoked_us": at(16)})
    text = page(changed(exclusions=[EXCLUSION, bare, back])).text
    assert "letter 2025/17 applied" in text
    assert "not applied: no consent on record" in text
    assert "not applied: revoked on 2025-10-16" in text


def test_provisional_and_superseded_revisions_say_so():
    for field, warning in (("provisional", "Provisional:"), ("superseded", "Superseded:")):
        assert warning in page(revised(**{field: True})).text
        assert warning not in page().text


def test_events_taken_out_are_listed_with_reason_and_actor():
    told = Voided("mx1#slow", "message.dispatched", at(10), "the clock was wrong", "li", at(20))
    text = page(changed(voided=[told])).text
    assert "Events taken out after the fact" in text
    assert "mx1#slow" in text
    assert "the clock was wrong" in text
    assert "Events taken out" not in page().text


def test_what_hangs_on_undecided_days_is_named():
    text = page(revised(provisional=True, undecided=("antispam.complaint_response",))).text
    assert "the next year decides: Complaints answered late." in text
    assert "the next year decides" not in page().text


def test_a_month_in_which_the_contract_changed_shows_both_parts():
    told = [
        {"version": 2, "from": "2025-10-01", "to": "2025-10-16", "observed": "100"},
        {"version": 3, "from": "2025-10-16", "to": "2025-11-01", "observed": "2540"},
    ]
    promised = {"target": "2640", "comparator": "<", "verdict": "met"}
    parts = read_parts(json.dumps([one | promised for one in told]))
    text = page(changed(parts={"connectivity.downtime": parts})).text
    assert (
        "version 2, 2025-10-01 to 2025-10-15 1 min 40 s 100 s < 44 min < 2640 s 42 min 20 s" in text
    )
    assert "version 3, 2025-10-16 to 2025-10-31 42 min 20 s 2540 s" in text


def test_what_nobody_measured_is_no_certificate():
    """The month of the first steps: two promises measured, the rest without data."""
    measured = {"operations.fault_duration", "operations.availability"}
    items = [
        item.model_copy(update={"verdict": "met" if item.indicator in measured else "no_data"})
        if item.verdict != "not_judged"
        else item
        for item in STATEMENT.items
    ]
    text = page(replace(revised(verdict="incomplete"), items=items, credits=[])).text
    assert "Verdict: incomplete" in text
    assert "Kept as far as measured: 2 of 27; without data: 1 · Connectivity, 2 · Latency" in text
    assert "3 · Operations: incomplete" in text
    assert "kept this month" not in text


def test_a_quiet_month_owes_nothing():
    quiet = changed(credits=[], proofs={}, exclusions=[], down=[], unobserved=[], latency={})
    text = page(quiet).text
    for told in ("Nothing is owed", "No exclusion touches", "was observed throughout"):
        assert told in text


def test_a_month_never_observed_says_so():
    period = STATEMENT.period
    assert "never observed" in page(changed(unobserved=[(period.start_us, period.end_us)])).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_charts_have_a_title_and_a_description(language):
    charts = drawings(language=language)
    assert set(charts) == {"latency-outbound", "latency-inbound", "timeline", "calendar"}
    for name, image in charts.items():
        assert image.get("role") == "img"
        for part in ("title", "desc"):
            (own,) = image.findall(f"{SVG}{part}")
            assert own.get("id") == f"{name}-{part}"
            assert own.text.strip()


def test_an_outage_of_a_second_can_be_seen():
    down = [r for r in drawings()["timeline"].iter(f"{SVG}rect") if r.get("fill") == "#a4001d"]
    long, short = sorted((float(r.get("width")) for r in down[:-1]), reverse=True)
    assert len(down) == 3  # the last one is the legend's
    assert long == pytest.approx(656 * 50 / 1440, abs=0.1)
    assert short == pytest.approx(1.6)


def test_the_calendar_marks_every_faulty_day_by_colour_and_by_a_cross():
    image = drawings()["calendar"]
    crosses = [p for p in image.iter(f"{SVG}path") if p.get("stroke") == "#ffffff"]
    assert len(crosses) == len(STATEMENT.faulty_days) + 1
    assert "02-03, 10-03, 10-04" in image.find(f"{SVG}desc").text


def test_equal_statements_are_equal_bytes_and_another_content_has_another_name():
    assert content_of(STATEMENT, "zh", "html") == content_of(changed(), "zh", "html")
    name = file_name(STATEMENT.revision, date(2025, 10, 1), "zh", "pdf")
    assert name == "statement-acme-2025-10-r2-zh-01234567.pdf"
    assert file_name(revised(fingerprint="f" * 32).revision, date(2025, 10, 1), "zh", "pdf") != name


def test_credits_stand_with_their_clauses_and_their_total():
    text = page().text
    assert "the term is extended by 31 days. Clauses: 1 · Connectivity" in text
    stacked = changed(credits=[STATEMENT.credits[0]] * 2)
    told = page(stacked).text
    assert (
        "2 × the month's term (sections 1); the term is extended by 62 days. Clauses: 1 ·" in told
    )


def test_the_provider_s_name_and_logo_come_with_the_document(tmp_path):
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    html = render(STATEMENT, "en", provider_of("Example <Mail> Ltd", logo))
    assert "Example &lt;Mail&gt; Ltd" in html
    assert 'src="data:image/svg+xml;base64,' in html
    assert "<img" not in render(STATEMENT, "en")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("logo.gif", b"x", "is no logo"),
        ("logo.png", b"x" * (LARGEST_LOGO + 1), "at most 200,000"),
        ("logo.png", None, "cannot be read"),
    ],
)
def test_a_logo_that_cannot_be_used_is_told(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StatementError, match=says):
        provider_of("x", path)


def test_a_statement_says_how_much_of_a_years_maintenance_counts():
    profile = CONTRACT.profile.model_copy(update={"max_hours_per_year": 2})
    limited = CONTRACT.model_copy(update={"profile": profile})
    period = period_of("acme", [limited], OCTOBER)
    begun = [at(3, 0), at(14, 15), at(14, 16), at(20, 0)]
    windows = [
        replace(EXCLUSION, declared_us=us, starts_us=us, ends_us=us + HOUR_US * 3 // 2)
        for us in begun
    ]
    known = maintenance_of(windows, period)
    assert (known.counted_us, known.left_out_us) == (2 * HOUR_US, 7 * HOUR_US // 2)
    shown = changed(period=period, exclusions=windows, maintenance=known)
    states = [known.state(one) for one in windows]
    assert states == ["applied", "cut", "over_limit", "over_limit"]
    for language, words in {"en": "2 h count; 3 h 30 min do not", "zh": "未计入"}.items():
        html = render(shown, language)
        assert words in html
        assert html.count('data-state="over_limit"') == 2
    assert "of at most" not in render(STATEMENT, "en")
