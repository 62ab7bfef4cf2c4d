"""Every guarantee of `docs/guarantees.md` names tests that are there."""

import ast
import re
from pathlib import Path

from tests.faults.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guarantees.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_every_line_names_a_test_and_every_test_is_there():
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not re.search(r"\| shown by \|", row)]
    assert len(promises) > 20
    for row in promises:
        assert NAMED.search(row), row
    for path, name in NAMED.findall(TEXT):
        tree = ast.parse((ROOT / path).read_text())
        assert not name or name in {
            one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)
        }, (path, name)


def test_every_scenario_is_named_and_its_tests_are_there():
    assert set(re.findall(r"scenario `([\w-]+)`", TEXT)) == SCENARIOS.keys()
    for scenario in SCENARIOS.values():
        for path, _, name in (test.partition("::") for test in scenario.tests):
            assert f"def {name or 'test_'}" in (ROOT / path).read_text(), (path, name)
