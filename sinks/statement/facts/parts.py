"""The column ``parts``: an indicator by contract version, in months in which it changed."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import orjson

from mailsla.sinks.statement.facts.content import Part


def read_parts(text: str) -> list[Part]:
    """The parts of an indicator, from a JSON array; empty for an empty text."""
    return [_part(one) for one in orjson.loads(text or "[]")]


def _part(one: Mapping[str, Any]) -> Part:
    return Part(
        version=int(one["version"]),
        first=date.fromisoformat(one["from"]),
        last=date.fromisoformat(one["to"]),
        observed=_decimal(one.get("observed")),
        target=_decimal(one.get("target")),
        comparator=one.get("comparator"),
        verdict=one["verdict"],
    )


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
