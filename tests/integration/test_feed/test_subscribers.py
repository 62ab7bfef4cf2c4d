"""The consumers of docs/feed.md, run as they stand there."""

import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from mailsla.schemas.results import BreachType
from mailsla.streams.runtime.kafka.admin import administration
from tests.stack import needs_program, wait_for

pytestmark = pytest.mark.kafka

FEED = (Path(__file__).resolve().parents[3] / "docs/feed.md").read_text()
SECTION = FEED.partition("\n## For subscribers\n")[2].partition("\n## ")[0]
ADDRESS = "127.0.0.1:29092"


def block(language):
    """The only block of code in a language, without its fences."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    return code


def test_the_consumer_in_python_takes_every_event_once(stack, feed, told, tmp_path):
    code = block("python")
    assert code.count(ADDRESS) == 1
    assert len(code.splitlines()) <= 20
    (tmp_path / "pager.py").write_text(code.replace(ADDRESS, stack.settings.kafka))
    assert len(feed) == len(told) + 1
    with open(tmp_path / "out", "w") as out:
        process = subprocess.Popen([sys.executable, tmp_path / "pager.py"], stdout=out, stderr=out)
        try:
            # Committed to the end: what was delivered twice has been met twice as well.
            wait_for(
                lambda: process.poll() is not None or committed(stack, "pager") == len(feed),
                what="the consumer reaches the end",
            )
            assert process.poll() is None, (tmp_path / "out").read_text()
        finally:
            process.kill()
            process.wait()
    lines = Counter((tmp_path / "out").read_text().splitlines())
    assert lines == Counter(
        f"{each['type']} {each['subject']} {each['data']['indicator']} {each['data']['observed']}"
        for each in told.values()
    )


def committed(stack, group):
    """How many records of the feed are before a group's committed offsets."""
    with administration(stack.settings) as admin:
        offsets = admin.list_group_offsets([group]).get(group, {})
    before = {
        place.partition: offset.offset
        for place, offset in offsets.items()
        if place.topic == "sla.breaches"
    }
    records = stack.read("sla.breaches")
    return sum(record.offset < before.get(record.partition, 0) for record in records)


def test_kcat_shows_every_record(stack, feed):
    needs_program("kcat")
    (line,) = [each for each in block("sh").splitlines() if each.startswith("kcat ")]
    words = shlex.split(line.replace(ADDRESS, stack.settings.kafka))
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    shown = Counter(json.loads(each)["id"] for each in done.stdout.splitlines())
    assert shown == Counter(json.loads(record.value)["id"] for record in feed)


def test_the_table_of_types_is_complete():
    rows = re.findall(r"^\| `(sla\.[a-z_.]+)` \| (.+) \|$", SECTION, re.MULTILINE)
    assert [name for name, _ in rows] == list(get_args(BreachType))
