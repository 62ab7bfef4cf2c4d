"""The one error of the embedded stack."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot start or has broken: one sentence that says what to do."""
