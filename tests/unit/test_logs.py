"""A worker's log: one object a line, no floods, no chatter of libraries."""

import json
import logging

import pytest

from streams.runtime.logs import AT_ONCE, PER_S, JsonFormatter, RateLimit, set_up_logging


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
def test_libraries_speak_only_when_asked(capsys, level, said):
    before = logging.getLogger("aiokafka").level
    root = logging.getLogger()
    handlers, root_level = list(root.handlers), root.level
    try:
        set_up_logging(level, "console")
        logging.getLogger("aiokafka").info("chatter")
        logging.getLogger("aiokafka").warning("trouble")
        told = capsys.readouterr().err
    finally:
        root.handlers, root.level = handlers, root_level
        logging.getLogger("aiokafka").setLevel(before)
    assert ("chatter" in told) is bool(said)
    assert "trouble" in told
