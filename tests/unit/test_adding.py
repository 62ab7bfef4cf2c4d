"""docs/adding.md names every file to touch, and what is there already is complete everywhere."""

import re
from pathlib import Path
from typing import get_args

import pytest

from mailsla.schemas.indicators import INDICATORS
from mailsla.schemas.presentation import words
from mailsla.schemas.remedies import Remedy
from mailsla.sinks.closing import views
from mailsla.sinks.closing.credits import rules
from mailsla.sinks.closing.event_dependencies import BEARING
from mailsla.sinks.closing.explain.formulas import FORMULAS
from mailsla.sinks.statement.wording.phrases import PHRASES
from mailsla.streams.clauses.registry import CLAUSES

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "sinks", "streams")
TEXTS = {path: path.read_text() for path in sorted(ROOT.joinpath("docs").rglob("*.md"))}
PATH = re.compile(r"`((?:schemas|sinks|streams|tests|deploy|docs)/[\w./*-]+)`")
PRESENT = {
    # recipe → patterns of names that are there already, one of each kind
    "An indicator": (r"antispam\.listing_report", r"backup\.retention", r"support\.availability"),
    "A remedy": ("double_service", "fee_waiver"),
    "A field of an event": ("attachment_type", "scan_ms"),
    "A connector": (r"mailsla\.streams\.connectors\.postfix",),
    "A checkpoint policy": ("CheckpointPolicy",),
}
REMEDIES = set(get_args(Remedy)) - {"none"}


def recipes():
    """heading → text"""
    parts = re.split(r"^## (.+)\n", TEXTS[ROOT / "docs/adding.md"], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def named_in(text):
    """Every file that a text names, folders with all that is in them."""
    files = set()
    for pattern in PATH.findall(text):
        found = list(ROOT.glob(pattern.rstrip("/")))
        assert found, f"{pattern} does not exist"
        for path in found:
            files |= {p for p in path.rglob("*") if p.is_file()} if path.is_dir() else {path}
    return files


@pytest.mark.parametrize(
    ("recipe", "word"),
    [
        ("An indicator", "indicators"),
        ("A remedy", "remedies"),
        ("A field of an event", "events"),
        ("A connector", "connectors"),
        ("A checkpoint policy", "checkpoint/policy"),
        ("A command", "commands"),
    ],
)
def test_a_recipe_begins_where_a_name_says_so(recipe, word):
    steps = recipes()[recipe].partition("1. ")
    assert word in PATH.findall(steps[2] or steps[0])[0]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_file_a_document_names_exists(path):
    named_in(TEXTS[path])


@pytest.mark.parametrize(
    ("recipe", "name"), [(recipe, name) for recipe, names in PRESENT.items() for name in names]
)
def test_a_recipe_names_every_file_that_knows_such_a_thing(recipe, name):
    knowing = {
        path
        for package in PACKAGES
        for path in ROOT.joinpath(package).rglob("*")
        if path.suffix in {".py", ".sql", ".json", ".yaml", ".html"}
        and re.search(rf"(?<![\w.]){name}\b", path.read_text())
    }
    assert knowing, f"nothing is called {name} any more"
    missing = knowing - named_in(recipes()[recipe])
    assert not {str(path.relative_to(ROOT)) for path in missing}


def test_every_indicator_is_measured_live_and_closed_and_explained():
    live = {indicator for clause in CLAUSES for indicator in clause.indicators}
    live |= {indicator.id for indicator in INDICATORS.values() if indicator.section == 2}
    assert live == set(INDICATORS) == set(BEARING) == set(FORMULAS)
    closed, evidence = (
        "".join(map(views.view_query, [*names, "closing_received", "closing_orders"]))
        for names in (views.sections(), views.evidence())
    )
    for indicator in INDICATORS:
        # Its name, or what a query makes it of: 'operations.page_load.' || network.
        name = re.compile(rf"'{indicator}'|'{indicator.rpartition('.')[0]}\.'")
        assert name.search(closed), f"no query of sections/ measures {indicator}"
        assert name.search(evidence), f"no query of evidence/ shows what {indicator} is made of"


def test_every_remedy_credits_something_and_can_be_said():
    assert set(rules._ORDER) == set(words.REMEDIES) - {"none"} == REMEDIES
    for remedy in REMEDIES:
        assert {remedy, f"{remedy}_stacked"} <= set(PHRASES)
