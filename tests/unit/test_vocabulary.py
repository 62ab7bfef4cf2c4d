"""Words that gave way to those of docs/vocabulary.md do not come back in names."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GONE = {
    # gone → say
    "archive": "revision store",
    "books": "revision store",
    "exceeding": "slow messages",
    "intake": "decode",
    "listeners": "silent",
    "margins": "headroom",
    "unshown": "unpublished",
    "voice": "silent",
}
"""May only become longer."""


def names(path):
    """Names of the module, its classes and functions."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name


def words(name):
    """The words of a name in snake_case or CamelCase, in small letters."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_no_name_has_a_word_that_is_gone():
    found = {
        f"{path.relative_to(ROOT)}: {name}, say {GONE[word]}"
        for package in ("schemas", "sinks", "streams")
        for path in ROOT.joinpath(package).rglob("*.py")
        for name in names(path)
        for word in words(name) & GONE.keys()
    }
    assert not found


def test_names_are_taken_apart():
    assert words("archive_of") == {"archive", "of"}
    assert words("OldBooksHTTP") == {"old", "books", "http"}


def test_a_class_has_its_name_for_itself():
    """Two classes of one name in two places are read as one thing."""
    where = {}
    for package in ("schemas", "sinks", "streams"):
        for path in ROOT.joinpath(package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    where.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: places for name, places in where.items() if len(places) > 1} == {}
