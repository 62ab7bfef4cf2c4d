"""A name that is not known, and the known one that was probably meant. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_SIMILAR: Final = 0.6


def suggestion(name: str, known: Iterable[str]) -> str:
    """``; did you mean acme?``, or nothing where no known name is near."""
    near = get_close_matches(name, sorted(known), n=1, cutoff=_SIMILAR)
    return f"; did you mean {near[0]}?" if near else ""
