"""Documents from YAML or JSON files: read, checked, each complaint with its place."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, zip_longest
from pathlib import Path
from typing import Final

import orjson
import yaml
from pydantic import BaseModel

from mailsla.schemas.codec.records import Complaint, contract_complaints
from mailsla.schemas.codec.yaml_text import compose_yaml, load_yaml_nodes
from mailsla.schemas.contract import Contract, Fee, Override, Profile
from mailsla.streams.cli.support.errors import suggestion

_NO_BLANK: Final = re.compile(r"\S")
_MAX_BYTES: Final = 4 * 1024 * 1024
_LOOKED_INTO: Final = 1_000
"""Documents of one JSON file whose problems are told with their lines."""
_MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "profile": Profile,
    "monthly_fee": Fee,
    "overrides": Override,
}
"""Field of a contract → the model of what it holds."""


@dataclass(frozen=True)
class Document:
    """A valid document: where it stands, what it says, the bytes to publish.

    The bytes are the document as written, so that what it leaves out stays at its default.
    """

    place: str
    contract: Contract
    value: bytes
    line: int | None = None
    """Where its version stands."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with one document, or with a whole file; ``place`` names file and document."""

    place: str
    reason: str
    field: str | None = None
    line: int | None = None
    """Of the file, counted from 1; None where it is not known."""

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        field = f", {self.field}" if self.field else ""
        return f"{self.place}{line}{field}: {self.reason}"


@dataclass(frozen=True)
class _Written:
    """A document as it stands in its file: its value, and the lines of its fields."""

    value: object
    node: yaml.Node | None
    before: int = 0
    """Lines of the file before those that the node counts."""

    def line(self, location: Sequence[str | int]) -> int | None:
        """The line of a field, or of the nearest thing around it."""
        node, found = self.node, None
        if node is None:
            return None
        found = node.start_mark.line
        for part in location:
            child = _child(node, part)
            if child is None:
                break
            found, node = child
        return self.before + found + 1


def read_documents(files: Sequence[Path]) -> tuple[list[Document], list[Problem]]:
    """Every document of the files, valid or with its problem (contract documents).

    A file holds one or several: YAML documents parted by ``---``, JSON objects one after the
    other, or a list of either.
    """
    valid: list[Document] = []
    problems: list[Problem] = []
    for path in files:
        for read in _written(path):
            checked = [read] if isinstance(read, Problem) else _check(*read)
            if isinstance(checked, Document):
                valid.append(checked)
            else:
                problems += checked
    return valid, problems + _repeated(valid)


def parsed(path: Path) -> list[tuple[str, object] | Problem]:
    """What a file holds: each document with its place, or why it cannot be read."""
    return [
        each if isinstance(each, Problem) else (each[0], each[1].value) for each in _written(path)
    ]


def _written(path: Path) -> list[tuple[str, _Written] | Problem]:
    try:
        found = list(_parse(path))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        return [Problem(str(path), unreadable(error))]
    if not found:
        return [Problem(str(path), "holds no document; write one, or leave it out")]
    return [(f"{path}, document {number}", each) for number, each in enumerate(found, 1)]


def _parse(path: Path) -> Iterator[_Written]:
    with path.open("rb") as source:
        content = source.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"longer than {_MAX_BYTES} bytes; is it the right file?")
    text = content.decode("utf-8")
    parsed = _json_values(text) if path.suffix == ".json" else _yaml_values(text)
    for written in parsed:
        if isinstance(written.value, list):
            nodes: Iterable[yaml.Node] = getattr(written.node, "value", [])
            for value, node in zip_longest(written.value, nodes):
                yield _Written(value, node, written.before)
        elif written.value is not None:
            yield written


def _yaml_values(text: str) -> Iterator[_Written]:
    for value, node in load_yaml_nodes(text):
        yield _Written(value, node)


def _json_values(text: str) -> Iterator[_Written]:
    decoder = json.JSONDecoder(object_pairs_hook=_once)
    at = _after_blanks(text, 0)
    line, counted = 0, 0
    for number in count():
        if at >= len(text):
            return
        line, counted = line + text.count("\n", counted, at), at
        value, end = decoder.raw_decode(text, at)
        # Where its fields stand takes a second reading: of the first ones, not of 100,000.
        node = _lines_of(text[at:end]) if number < _LOOKED_INTO else None
        yield _Written(value, node, line)
        at = _after_blanks(text, end)


def _after_blanks(text: str, at: int) -> int:
    found = _NO_BLANK.search(text, at)
    return found.start() if found else len(text)


def _lines_of(text: str) -> yaml.Node | None:
    """The lines of a JSON text, which YAML reads but for some white space."""
    try:
        return compose_yaml(text)
    except yaml.YAMLError:
        return None


def _child(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    """The line of a mapping's key or a list's item, and its node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line, item
    return None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{twice!r} stands twice in one object; remove one")
    return found


def encoded_as_json(place: str, value: object, line: int | None = None) -> bytes | Problem:
    """A document as the JSON to publish."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, RecursionError) as error:
        reason = f"holds what JSON cannot ({error}); write texts and numbers"
        return Problem(place, reason, line=line)


def _check(place: str, written: _Written) -> Document | list[Problem]:
    """The document, or everything that is wrong with it."""
    encoded = encoded_as_json(place, written.value, written.line(()))
    if isinstance(encoded, Problem):
        return [encoded]
    if complaints := contract_complaints(encoded):
        return [
            Problem(place, _advised(one), one.field, written.line(one.location))
            for one in complaints
        ]
    contract = Contract.model_validate_json(encoded)
    return Document(place, contract, encoded, written.line(("version",)))


def _advised(complaint: Complaint) -> str:
    """The reason; of a field that is not known with the one that was probably meant."""
    *parent, name = complaint.location or ("",)
    if complaint.kind != "extra_forbidden":
        return complaint.reason
    model = _MODELS.get(str(parent[0]) if parent else "", Contract)
    return f"{complaint.reason}{suggestion(str(name), model.model_fields)}"


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
            problems.append(Problem(document.place, reason, "version", document.line))
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
