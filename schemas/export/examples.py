"""Valid and invalid records of every topic, to run through whatever reads or writes them.

``examples/<topic>/<type>.json`` holds whole valid objects and, for each rule, an invalid one as
a change to the second valid object (the full one). For event topics `envelope.json` adds what
every type has in common, and `records.json` what concerns the record's bytes. Texts may hold
``«129 x»`` (129 times x); those of `records.json` also ``«event»`` (the topic's first valid
event), ``«open»`` (the same without its closing brace) and ``«inner»`` (without both).
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from mailsla.schemas.registry import EVENT_TYPES

BROKER_TIME: Final = datetime(2025, 12, 1, tzinfo=UTC)
"""A broker clock under which all examples are decided as they say, as under any later one."""

DIRECTORY: Final = Path(__file__).parents[1] / "examples"

_REPEATED: Final = re.compile("«([0-9]+) (.)»")


@dataclass(frozen=True)
class Valid:
    """A record to be accepted; ``why`` says what it shows."""

    why: str
    value: bytes


@dataclass(frozen=True)
class Invalid:
    """A record to be refused for ``field`` with a reason that contains ``reason``.

    ``beyond_schema`` marks what a JSON Schema cannot express (order of times, the clock).
    """

    why: str
    value: bytes
    field: str | None
    reason: str
    beyond_schema: bool = False


@cache
def valid(topic: str) -> tuple[Valid, ...]:
    """Records of the topic to be accepted."""
    found = [
        Valid(f"{path.stem} {number}", _encode(record))
        for path in _files(topic)
        for number, record in enumerate(_load(path)["valid"])
    ]
    if topic in EVENT_TYPES:
        for case in _load(DIRECTORY / "records.json")["valid"]:
            found.append(Valid(case["why"], _bytes(case, found[0].value)))
    return tuple(found)


@cache
def invalid(topic: str) -> tuple[Invalid, ...]:
    """Records of the topic to be refused."""
    return tuple(_invalid(topic))


def _invalid(topic: str) -> Iterator[Invalid]:
    events = topic in EVENT_TYPES
    common = _load(DIRECTORY / "envelope.json")["invalid"] if events else []
    for path in _files(topic):
        document = _load(path)
        full = document["valid"][1]
        for case in [*document["invalid"], *common]:
            record = {k: v for k, v in full.items() if k not in case.get("without", ())}
            value = _encode(record | case.get("change", {}))
            yield _refused(f"{path.stem}: {case['why']}", value, case)
    if events:
        first = valid(topic)[0].value
        for case in _load(DIRECTORY / "records.json")["invalid"]:
            yield _refused(case["why"], _bytes(case, first), case)


def _refused(why: str, value: bytes, case: Mapping[str, Any]) -> Invalid:
    return Invalid(why, value, case["field"], case["reason"], case.get("beyond_schema", False))


def _files(topic: str) -> list[Path]:
    paths = sorted((DIRECTORY / topic).glob("*.json"))
    if not paths:
        raise KeyError(f"no examples of {topic}; name a topic of the interface")
    return paths


def _load(path: Path) -> dict[str, list[dict[str, Any]]]:
    loaded: dict[str, list[dict[str, Any]]] = json.loads(path.read_text("utf-8"))
    return loaded


def _encode(record: Mapping[str, Any]) -> bytes:
    return _repeat(json.dumps(record, ensure_ascii=False)).encode()


def _repeat(text: str) -> str:
    return _REPEATED.sub(lambda found: found[2] * int(found[1]), text)


def _bytes(case: Mapping[str, str], event: bytes) -> bytes:
    if "base64" in case:
        return base64.b64decode(case["base64"])
    whole = event.decode()
    text = case["text"].replace("«event»", whole)
    return _repeat(text.replace("«open»", whole[:-1]).replace("«inner»", whole[1:-1])).encode()
