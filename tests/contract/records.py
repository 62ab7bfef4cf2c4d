"""Changing examples for a test."""

import json

from schemas.examples import valid


def first(topic, type_name):
    """The minimal valid example of a type as an object."""
    return json.loads(next(e.value for e in valid(topic) if e.why == f"{type_name} 0"))


def changed(document, **changes):
    """The object with fields set, as a record."""
    return json.dumps(document | changes, ensure_ascii=False).encode()
