"""Documents from YAML or JSON files: read, checked, each complaint with its place."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import yaml

from schemas.codec import Rejection, decode_contract
from schemas.contract import Contract
from schemas.yaml_text import load_yaml

_NO_BLANK: Final = re.compile(r"\S")
_MAX_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True)
class Document:
    """A valid document: where it stands, what it says, the bytes to publish.

    The bytes are the document as written, so that what it leaves out stays at its default.
    """

    place: str
    contract: Contract
    value: bytes


@dataclass(frozen=True)
class Problem:
    """What is wrong with one document, or with a whole file; ``place`` names file and document."""

    place: str
    reason: str
    field: str | None = None

    def __str__(self) -> str:
        field = f", {self.field}" if self.field else ""
        return f"{self.place}{field}: {self.reason}"


def read_documents(files: Sequence[Path]) -> tuple[list[Document], list[Problem]]:
    """Every document of the files, valid or with its problem (contract documents).

    A file holds one or several: YAML documents parted by ``---``, JSON objects one after the
    other, or a list of either.
    """
    valid: list[Document] = []
    problems: list[Problem] = []
    for path in files:
        for read in parsed(path):
            checked = read if isinstance(read, Problem) else _check(*read)
            if isinstance(checked, Problem):
                problems.append(checked)
            else:
                valid.append(checked)
    return valid, problems + _repeated(valid)


def parsed(path: Path) -> list[tuple[str, object] | Problem]:
    """What a file holds: each document with its place, or why it cannot be read."""
    try:
        found = list(_parse(path))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        return [Problem(str(path), unreadable(error))]
    if not found:
        return [Problem(str(path), "holds no document; write one, or leave it out")]
    return [(f"{path}, document {number}", value) for number, value in enumerate(found, 1)]


def _parse(path: Path) -> Iterator[object]:
    with path.open("rb") as source:
        content = source.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"longer than {_MAX_BYTES} bytes; is it the right file?")
    text = content.decode("utf-8")
    parsed = _json_values(text) if path.suffix == ".json" else load_yaml(text)
    for value in parsed:
        if isinstance(value, list):
            yield from value
        elif value is not None:
            yield value


def _json_values(text: str) -> Iterator[object]:
    decoder = json.JSONDecoder(object_pairs_hook=_once)
    at = _after_blanks(text, 0)
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        yield value
        at = _after_blanks(text, at)


def _after_blanks(text: str, at: int) -> int:
    found = _NO_BLANK.search(text, at)
    return found.start() if found else len(text)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{twice!r} stands twice in one object; remove one")
    return found


def encoded_as_json(place: str, value: object) -> bytes | Problem:
    """A document as the JSON to publish."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, RecursionError) as error:
        return Problem(place, f"holds what JSON cannot ({error}); write texts and numbers")


def _check(place: str, value: object) -> Document | Problem:
    encoded = encoded_as_json(place, value)
    if isinstance(encoded, Problem):
        return encoded
    decoded = decode_contract(encoded)
    if isinstance(decoded, Rejection):
        return Problem(place, decoded.reason, decoded.field)
    return Document(place, decoded, encoded)


def _repeated(documents: Sequence[Document]) -> list[Problem]:
    first: dict[tuple[str, int], str] = {}
    problems = []
    for document in documents:
        identity = (document.contract.tenant_id, document.contract.version)
        if identity in first:
            reason = (
                f"version {identity[1]} of {identity[0]} also stands in {first[identity]}; "
                "give one of them the next number"
            )
            problems.append(Problem(document.place, reason, "version"))
        first.setdefault(identity, document.place)
    return problems


def unreadable(error: Exception) -> str:
    """Why a file cannot be read, in words."""
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror}); name a readable file"
    if isinstance(error, RecursionError):
        return "is nested too deeply; write it flatter"
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark
        at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        return f'{at}{error.problem}; is every text such as ">=" in quotes?'
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8; save it as UTF-8"
    return f"is not valid ({error}); mend the text"
