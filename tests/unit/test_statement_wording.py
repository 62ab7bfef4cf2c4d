"""Every word is there in both languages."""

import re
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

from mailsla.schemas.codec.identifiers import ExclusionCode
from mailsla.schemas.contract import Profile
from mailsla.schemas.indicators import INDICATORS, SECTIONS, MonthVerdict, Verdict
from mailsla.schemas.presentation import names as titles
from mailsla.schemas.presentation import words
from mailsla.schemas.presentation.language import LANGUAGES
from mailsla.schemas.remedies import Remedy
from mailsla.schemas.results import BreachType, State
from mailsla.sinks.statement.render import evidence
from mailsla.sinks.statement.wording import names, phrases, readings

PACKAGE = Path(__file__).parents[2] / "sinks/statement"
TEXTS = {
    "phrase": phrases._PHRASES,
    "title": titles._TITLES,
    "cause": titles.EXCLUSION_CODES,
    "verdict": words.VERDICTS,
    "state": words.STATES,
    "remedy": words.REMEDIES,
    "change": words.CHANGES,
    "column": names._COLUMNS,
    "reading": readings._READINGS,
}


@pytest.mark.parametrize("kind", TEXTS)
def test_both_languages_say_the_same_with_the_same_values(kind):
    for key, (english, chinese) in TEXTS[kind].items():
        places = [{each[1] for each in Formatter().parse(t)} - {None} for t in (english, chinese)]
        assert places[0] == places[1], key
        assert not re.search(r"[\u4e00-\u9fff]", english), key
        if kind != "column" and key != "says":
            assert re.search(r"[\u4e00-\u9fff]", chinese), key


def test_everything_that_can_be_named_has_a_name():
    assert set(INDICATORS) <= titles.TITLED
    assert set(titles.EXCLUSION_CODES) == set(get_args(ExclusionCode))
    about_the_feed = {
        "at_risk_share",
        "deadline_share",
        "in_flight_share",
        "burn_rates",
        "feed_hold_s",
    }
    assert set(Profile.model_fields) - {"name", "version"} - about_the_feed == readings.READ
    for language in LANGUAGES:
        for verdict in get_args(Verdict):
            assert words.verdict_word(verdict, language)
        for verdict in get_args(MonthVerdict):
            assert words.verdict_word(verdict, language)
        assert set(get_args(BreachType)) < words.CHANGES.keys()
        for state in get_args(State):
            assert words.state_word(state, language)
        for remedy in get_args(Remedy):
            assert words.remedy_word(remedy, language)
        assert len({titles.section_title(number, language) for number in SECTIONS}) == 9


def test_every_phrase_is_used_and_every_used_one_is_there():
    sources = [p for p in PACKAGE.rglob("*") if p.suffix in {".py", ".html"}]
    text = "".join(p.read_text() for p in sources if p.name != "phrases.py")
    built = {
        *(f"unobserved_{how}" for how in ("all", "some", "none")),
        "applied",
    }
    used = {key for key in phrases.PHRASES if re.search(rf"""["']{key}["']""", text)} | built
    assert set(phrases.PHRASES) <= used
    asked = re.findall(r"""\bt\('(\w+)'|phrase\(\s*"(\w+)",""", text)
    assert {one or other for one, other in asked} <= set(phrases.PHRASES)


def test_evidence_of_every_indicator_can_be_shown():
    """What has none of its own is proved by its neighbour, or by a chart."""
    elsewhere = {
        "connectivity.ratio", "latency.send.max", "latency.receive.max",
        "operations.availability", "operations.fault_free_days",
    }  # fmt: skip
    assert set(evidence._TABLES) == set(INDICATORS) - elsewhere


def test_the_agreement_s_own_terms_are_used():
    terms = (
        "邮箱联通性 邮件收发延迟 故障总历时 调整总历时 "
        "系统可用率 全年无故障天数 计费差错率 当月双倍服务时长"
    )
    told = "".join(titles.indicator_title(one, "zh") for one in INDICATORS)
    told += "".join(titles.section_title(number, "zh") for number in SECTIONS)
    told += phrases.phrase("double_service", "zh", days=31)
    assert not [term for term in terms.split() if term not in told]


def test_an_indicator_without_a_translation_keeps_its_english_name_or_its_id():
    assert titles.indicator_title("support.unheard_of", "zh") == "support.unheard_of"


def test_a_reading_agreed_otherwise_is_marked():
    agreed = Profile(max_latency_s=1800, operations_exclusions=("force_majeure",))
    told = readings.readings(agreed, "en")
    assert [one.text for one in told if one.changed] == [
        "2: a message over 1800 s counts as exceeding the maximum.",
        "3: faults are excused by: f · force majeure.",
    ]
