"""Which tables may forget, and after how long."""

import pytest

from mailsla.sinks.ddl import DERIVED_TABLES, FACT_TABLES
from mailsla.sinks.retention import contradictions, wanted_days
from mailsla.streams.settings import ConfigurationError, Settings


def wanted(text, **others):
    return wanted_days(Settings(keep_days=text, **others))


def test_nothing_but_dead_letters_is_forgotten_unless_it_is_said():
    assert wanted("") == {"dead_letters": 90}
    assert wanted("windows=400, mta_events=800,dead_letters=30") == {
        "dead_letters": 30,
        "windows": 400,
        "mta_events": 800,
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mta_events=67", "mta_events has to keep its rows 68 days at least"),  # 62 and five days
        ("windows", "windows has to keep its rows 32 days"),
        ("windows=-5", "32 days at least"),
        ("windows=1e9", "32 days at least"),
        ("windows=999999", "32 days at least"),
        ("closing_log=900", "closing_log cannot forget"),
    ],
)
def test_what_closings_need_is_not_forgotten(text, sentence):
    with pytest.raises(ConfigurationError, match="MAILSLA_KEEP_DAYS") as refused:
        wanted(text)
    assert sentence in str(refused.value)


def test_of_the_facts_mail_alone_may_be_forgotten():
    for table in {*(one.name for one in DERIVED_TABLES), "closing_item_log"}:
        try:
            wanted(f"{table}=1000")
        except ConfigurationError:
            continue
        assert table == "mta_events" or table not in FACT_TABLES.values()
        assert table not in {"contracts", "calendars", "closing_item_log"}


def test_a_table_that_keeps_its_rows_otherwise_is_named():
    assert contradictions({"windows": 400}, {"windows": 400}) == []
    assert contradictions({"windows": 400}, {"mta_events": 800}) == [
        "mta_events keeps its rows 800 days, not for ever",
        "windows keeps its rows for ever, not 400 days",
    ]
