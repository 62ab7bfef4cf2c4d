"""A worker's log: one object a line, no floods, no chatter of libraries."""

import json
import logging

import pytest

from mailsla.streams.runtime.absence import Absence
from mailsla.streams.runtime.logs import AT_ONCE, PER_S, JsonFormatter, RateLimit, set_up_logging


def record(text="lost %s", *args, level=logging.WARNING, name="streams.x"):
    return logging.LogRecord(name, level, "f.py", 1, text, args, None)


def test_json_is_one_object_a_line_whatever_is_in_the_message():
    line = JsonFormatter().format(record("broker %s\n\x1b[31m", '"a"'))
    assert "\n" not in line
    told = json.loads(line)
    assert told["message"] == 'broker "a"\n\x1b[31m'
    assert (told["level"], told["logger"]) == ("WARNING", "streams.x")
    assert told["time"].endswith("+00:00")


def test_a_traceback_stands_in_its_object():
    try:
        raise ValueError("x")
    except ValueError as error:
        told = record()
        told.exc_info = (type(error), error, error.__traceback__)
    assert "ValueError: x" in json.loads(JsonFormatter().format(told))["exception"]


def test_a_flood_of_one_message_is_cut_and_counted():
    now = [0.0]
    limit = RateLimit(lambda: now[0])
    passed = [limit.filter(record("lost %s", n)) for n in range(100)]
    assert passed == [True] * AT_ONCE + [False] * (100 - AT_ONCE)
    assert limit.filter(record("another"))
    assert limit.filter(record(level=logging.ERROR))
    now[0] = PER_S
    after = record("lost %s", "again")
    assert limit.filter(after)
    assert after.getMessage() == f"lost again (and {100 - AT_ONCE} like it before)"


@pytest.mark.parametrize(("level", "said"), [("INFO", ""), ("DEBUG", "chatter")])
@pytest.mark.parametrize("library", ["aiokafka", "kafka", "clickhouse_connect", "urllib3"])
def test_libraries_speak_only_when_asked(capsys, level, said, library):
    logger = logging.getLogger(library)
    before = logger.level
    root = logging.getLogger()
    handlers, root_level = list(root.handlers), root.level
    try:
        set_up_logging(level, "console")
        logger.info("chatter")
        logger.error("chatter: a connection is lost")
        logger.critical("trouble")
        told = capsys.readouterr().err
    finally:
        root.handlers, root.level = handlers, root_level
        logger.setLevel(before)
    assert ("chatter" in told) is bool(said)
    assert "trouble" in told


def test_an_absence_is_said_when_it_begins_once_a_minute_and_when_it_ends():
    absence = Absence()
    assert absence.back(0) is None
    said = [(now, away) for now in range(10, 200, 5) if (away := absence.away(now)) is not None]
    assert said == [(10, 0), (70, 60), (130, 120), (190, 180)]
    assert absence.back(200) == 190
    assert absence.back(201) is None


def test_an_absence_is_handed_on_to_the_next_process(monkeypatch):
    monkeypatch.setenv("AWAY", "")
    absence = Absence.inherited("AWAY")
    absence.away(100.0)
    absence.hand_on("AWAY")
    heir = Absence.inherited("AWAY")
    assert heir.away(130.0) is None
    assert heir.away(160.0) == 60
    assert heir.back(170.0) == 70
    heir.hand_on("AWAY")
    assert Absence.inherited("AWAY").since is None
