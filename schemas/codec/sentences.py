"""A validator's complaint as one sentence that says what to send instead."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mailsla.schemas.codec.identifiers import CURRENCY_PATTERN, MONTH_PATTERN, TENANT_PATTERN

_PATTERNS: Final[Mapping[str, str]] = {
    TENANT_PATTERN: "not a tenant id; write 1 to 64 of A-Z a-z 0-9 . _ -",
    MONTH_PATTERN: 'not a month; write it as YYYY-MM such as "2026-10"',
    CURRENCY_PATTERN: 'not a currency; write the ISO 4217 code such as "CNY"',
}


def _pattern(context: Mapping[str, Any]) -> str:
    return _PATTERNS.get(context["pattern"], f"must match {context['pattern']}; rewrite it so")


_BY_TYPE: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "missing": lambda _: "the field is required; send it",
    "extra_forbidden": lambda _: "unknown field; remove it or mend its name",
    "literal_error": lambda c: f"not one of the allowed values; use {c['expected']}",
    "string_pattern_mismatch": _pattern,
    "string_too_long": lambda c: f"too long; send at most {c['max_length']} characters",
    "string_too_short": lambda c: f"too short; send at least {c['min_length']} character",
    "too_short": lambda c: f"too short; send at least {c['min_length']} item",
    "tuple_type": lambda _: "not a list; send a JSON array",
    "too_long": lambda c: f"too many items; send at most {c['max_length']}",
    "string_type": lambda _: "not a text; send a JSON string",
    "bool_type": lambda _: "not a truth value; send true or false without quotes",
    "int_type": lambda _: "not a whole number; send an integer without quotes or fraction",
    "int_from_float": lambda _: "not a whole number; send an integer without fraction",
    "float_type": lambda _: "not a number; send it without quotes",
    "finite_number": lambda _: "not a finite number; send a measured value or leave it out",
    "list_type": lambda _: "not a list; send a JSON array",
    "greater_than_equal": lambda c: f"too small; send at least {c['ge']}",
    "greater_than": lambda c: f"too small; send more than {c['gt']}",
    "less_than": lambda c: f"too large; send less than {c['lt']}",
    "less_than_equal": lambda c: f"too large; send at most {c['le']}",
    "date_from_datetime_parsing": lambda _: 'not a date; write it as "2026-10-01"',
    "date_parsing": lambda _: 'not a date; write it as "2026-10-01"',
    "date_type": lambda _: 'not a date; write it as "2026-10-01"',
}


def sentence(error: Mapping[str, Any]) -> str:
    """One sentence with the remedy for one item of ``ValidationError.errors()``."""
    known = _BY_TYPE.get(error["type"])
    if known is not None:
        return known(error.get("ctx", {}))
    return str(error["msg"]).removeprefix("Value error, ")
