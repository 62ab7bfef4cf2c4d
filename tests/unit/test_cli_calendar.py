"""``mailsla calendar apply``: calendars from YAML, JSON and iCalendar, and their complaints."""

import json
from datetime import date

import pytest
from click.testing import CliRunner

from mailsla.schemas.calendars import Calendars
from mailsla.streams.cli.main import cli
from mailsla.streams.cli.support.calendar_files import Heading, read_calendars
from mailsla.streams.cli.support.errors import CheckFailed, CommandError

NOTHING = Heading(None, None, "MON-FRI", ())
EVENT = "BEGIN:VEVENT\nUID:{uid}\nSUMMARY:{summary}\n{lines}\nEND:VEVENT\n"


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def event(summary, *lines):
    return EVENT.format(uid=summary, summary=summary, lines="\n".join(lines))


def ics(tmp_path, *events, name=""):
    head = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:test\n"
    title = f"X-WR-CALNAME:{name}\n" if name else ""
    text = head + title + "".join(events) + "END:VCALENDAR\n"
    return written(tmp_path, "days.ics", text.replace("\n", "\r\n"))


def test_a_calendar_from_yaml(tmp_path):
    text = (
        "calendar: acme\nversion: 2\nweek: SUN-THU\nholidays: [2026-10-01]\n"
        "working_days:\n- 2026-10-10\ncomplete_for: [2026]\n"
    )
    (document,), problems = read_calendars([written(tmp_path, "acme.yaml", text)], NOTHING)
    assert not problems
    assert document.calendar.holidays == (date(2026, 10, 1),)
    assert json.loads(document.value)["working_days"] == ["2026-10-10"]


def test_a_calendar_from_icalendar(tmp_path):
    path = ics(
        tmp_path,
        event("国庆节假期", "DTSTART;VALUE=DATE:20261001", "DTEND;VALUE=DATE:20261008"),
        event("上班(补国庆节假期)", "DTSTART;VALUE=DATE:20261010"),
        event("Stock-taking", "CATEGORIES:Workday,acme", "DTSTART;VALUE=DATE:20261017"),
        event("Founder's day", "DTSTART;VALUE=DATE:20200312", "RRULE:FREQ=YEARLY"),
        event("Called off", "STATUS:CANCELLED", "DTSTART;VALUE=DATE:20261102"),
        event("Long weekend", "DTSTART;VALUE=DATE:20261120", "DURATION:P2D"),
    )
    (document,), problems = read_calendars([path], Heading("acme", 3, "MON-FRI", (2026, 2027)))
    assert not problems
    found = document.calendar
    assert found.working_days == (date(2026, 10, 10), date(2026, 10, 17))
    assert found.holidays == (
        date(2026, 3, 12),
        *(date(2026, 10, day) for day in range(1, 8)),
        date(2026, 11, 20),
        date(2026, 11, 21),
        date(2027, 3, 12),
    )
    calendars = Calendars([found])
    assert calendars.working_day_after(date(2026, 9, 30), 1, "acme") == date(2026, 10, 8)
    assert calendars.working_day_after(date(2026, 10, 9), 1, "acme") == date(2026, 10, 10)


@pytest.mark.parametrize(
    ("lines", "heading", "complaint"),
    [
        (("DTSTART:20261001T080000Z",), Heading("a", 1, "MON-FRI", (2026,)), "whole days"),
        ((), Heading("a", 1, "MON-FRI", (2026,)), "whole days"),
        (("DTSTART;VALUE=DATE:20261001",), NOTHING, "--complete-for"),
        (("DTSTART;VALUE=DATE:20261001",), Heading("a", 1, "MO-FRI", (2026,)), "no week"),
        (("DTSTART;VALUE=DATE:20261001",), Heading("CN", 1, "MON-FRI", (2026,)), "another name"),
    ],
)
def test_an_icalendar_file_that_says_too_little_is_one_complaint(
    tmp_path, lines, heading, complaint
):
    documents, (problem,) = read_calendars([ics(tmp_path, event("x", *lines))], heading)
    assert documents == []
    assert complaint in str(problem)


@pytest.mark.parametrize("text", ["", "no calendar", "BEGIN:VCALENDAR"])
def test_what_is_no_icalendar_is_one_complaint(tmp_path, text):
    _, (problem,) = read_calendars([written(tmp_path, "x.ics", text)], NOTHING)
    assert problem.place.endswith("x.ics")


def test_a_complaint_names_file_document_and_field(tmp_path):
    bad = {"calendar": "acme", "version": 1, "complete_for": [2026], "holidays": ["soon"]}
    path = written(tmp_path, "bad.json", json.dumps(bad))
    answer = CliRunner().invoke(cli, ["calendar", "apply", str(path)])
    assert isinstance(answer.exception, CommandError)
    assert str(answer.exception).startswith("nothing was published")
    assert "bad.json, document 1, holidays.0: not a date" in answer.stderr


GOOD = {"tenant_id": "acme", "version": 1, "effective_from": "2026-01-01"}


def check(tmp_path, *documents):
    path = written(tmp_path, "contracts.json", json.dumps(documents))
    environment = {"MAILSLA_KAFKA": "127.0.0.1:1"}
    return CliRunner().invoke(cli, ["contract", "check", str(path)], env=environment)


def test_a_calendar_that_nobody_can_have_published_fails_the_check(tmp_path):
    done = check(tmp_path, GOOD | {"calendar": "XX"})
    assert isinstance(done.exception, CheckFailed)
    assert "contracts.json, document 1, calendar: it has to be published" in done.stderr


def test_the_last_day_in_force_and_days_without_a_contract_are_named(tmp_path):
    done = check(
        tmp_path,
        GOOD | {"effective_to": "2026-03-31"},
        GOOD | {"version": 2, "effective_from": "2026-04-01", "effective_to": "2026-05-01"},
        GOOD | {"version": 3, "effective_from": "2026-05-01"},
    )
    assert done.exit_code == 0
    assert "version 1, in force from 2026-01-01, the last day in force is 2026-03-30" in done.output
    assert "version 3, in force from 2026-05-01 (" in done.output
    assert done.stderr.count("warning") == 1
    assert "acme is under no contract from 2026-03-31 to 2026-03-31, between versions 1 and 2" in (
        done.stderr
    )
