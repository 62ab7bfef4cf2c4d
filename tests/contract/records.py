"""Changing examples for a test."""

import json

from mailsla.schemas.export.examples import valid


def first(topic, type_name):
    """The minimal valid example of a type as an object."""
    return json.loads(next(e.value for e in valid(topic) if e.why == f"{type_name} 0"))


def changed(document, **changes):
    """The object with fields set, as a record."""
    return json.dumps(document | changes, ensure_ascii=False).encode()


def parsed(record):
    """The record as an object, or None where it is no JSON object."""
    try:
        document = json.loads(record.value, parse_constant=lambda name: 1 / 0)
    except (ValueError, RecursionError, ZeroDivisionError):
        return None
    return document if isinstance(document, dict) else None
