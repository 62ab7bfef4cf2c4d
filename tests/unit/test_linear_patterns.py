"""No regular expression of ours takes more than linear time, whatever it is given."""

import importlib
import pkgutil
import re
import time
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from re import _constants as kinds
from re import _parser as parser

import pytest

import mailsla
from mailsla.sinks.closing import views

pytestmark = pytest.mark.slow

LINE = 8192
"""Bytes of the longest line that is read; what is shorter and slow already is not tried longer."""
LONG_S = 0.05
"""A linear one takes a thousandth of a second, a quadratic one a tenth."""
OWN_TEXT_ONLY = {views._REMARK}
"""Applied to files of this project, to nothing that others wrote."""
ROOT = Path(__file__).resolve().parents[2]
SEARCHING = ("search", "sub", "subn", "finditer", "findall", "split")
SAMPLES = {kinds.CATEGORY_DIGIT: "1", kinds.CATEGORY_SPACE: " \n", kinds.CATEGORY_WORD: "a"}


def patterns():
    """Every compiled pattern that a module of ours holds → its name, and how it is applied."""
    sources = [p.read_text() for name in ("schemas", "sinks", "streams")
               for p in (ROOT / name).rglob("*.py")]  # fmt: skip
    used = set(re.findall(r"\b([A-Z_]\w*)\.([a-z]+)\(", "\n".join(sources)))
    found = {}
    for module in pkgutil.walk_packages(mailsla.__path__, "mailsla."):
        if not module.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(module.name)).items():
                ways = {way for way in ("match", "fullmatch") if (name, way) in used}
                if not ways or {(name, way) for way in SEARCHING} & used:
                    ways |= {"match", "fullmatch", "search"}
                found |= dict.fromkeys(_held(value), (f"{module.name}.{name}", ways))
    return found


def _held(value):
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, (tuple, list, Mapping)):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _held(each)


def letters(parsed):
    """A character for each thing that the pattern can take."""
    found = set()
    for kind, what in parsed:
        if kind is kinds.LITERAL:
            found.add(chr(what))
        elif kind is kinds.RANGE:
            found.add(chr(what[0]))
        elif kind is kinds.CATEGORY:
            found |= set(SAMPLES.get(what, "-"))
        elif kind in {kinds.ANY, kinds.NOT_LITERAL, kinds.NEGATE}:
            found.add("x")
        else:
            for part in what if isinstance(what, tuple) else (what,):
                for each in part if isinstance(part, list) and kind is kinds.BRANCH else (part,):
                    if isinstance(each, (parser.SubPattern, list)):
                        found |= letters(each)
    return found


def attacks(pattern):
    """What it can take, again and again, and an end that it cannot."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    own = sorted(letters(parser.parse(text, pattern.flags)))[:10]
    for unit in (*own, *map("".join, permutations(own, 2))):
        for size in (22, 512, LINE):
            attack = (unit * size)[:size] + "\0"
            yield attack if isinstance(pattern.pattern, str) else attack.encode("utf-8", "replace")


def takes_long(pattern, attack, ways):
    for way in ways:
        began = time.process_time()
        getattr(pattern, way)(attack)
        if time.process_time() - began > LONG_S:
            return True
    return False


def test_every_pattern_is_linear():
    found = patterns()
    assert len(found) > 50
    slow = {
        place
        for pattern, (place, ways) in found.items()
        if pattern not in OWN_TEXT_ONLY
        and any(takes_long(pattern, attack, ways) for attack in attacks(pattern))
    }
    assert not slow


@pytest.mark.parametrize(
    ("pattern", "way"),
    [(r"^\s*--", "search"), (r"(a+)+$", "match"), (r"\w+\s*: y", "search")],
)
def test_one_that_is_not_is_found(pattern, way):
    compiled = re.compile(pattern, re.MULTILINE)
    assert any(takes_long(compiled, attack, [way]) for attack in attacks(compiled))
