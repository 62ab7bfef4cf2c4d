"""One line of the report of `mailsla doctor`."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "wrong", "skipped"]
"""note: worth knowing, nothing to mend; skipped: what it needs is itself wrong."""


@dataclass(frozen=True)
class Finding:
    """One line of the report: what is so, or what is wrong and how to mend it."""

    check: str
    state: State
    detail: str
