"""What is left open at the end of a finished log, kept for the file that goes on from it.

A log that is cut at midnight is one log: a message that came before and leaves after is one
message. So the state at the end of each file is kept, and a later file begins with the newest
end of the same host that lies before its first line. A file that is read again begins where it
began the first time, and gives the same events.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

_VERSION: Final = 1
_KEPT: Final = 64
_LEVEL: Final = 3
# Lines of several processes are not quite in the order of their stamps.
_OVERLAP: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class End:
    """The end of a finished log: its name, first and last moment, and what was open then."""

    file: str
    first: datetime
    last: datetime
    connector: dict[str, Any]


class FinishedLogs:
    """The ends that are kept in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def end_before(self, host: str, first: datetime) -> End | None:
        """The newest end of a log of `host` that began and ended before a moment.

        A damaged or foreign file is passed over: without it a log is read on its own.
        """
        for path in sorted(self._directory.glob("*.json.gz"), reverse=True):
            try:
                if datetime.fromisoformat(_moment_of(path)) > first + _OVERLAP:
                    continue
                state = json.loads(gzip.decompress(path.read_bytes()))
                began, last = (datetime.fromisoformat(state[name]) for name in ("first", "last"))
                if state["version"] == _VERSION and host in state["hosts"] and began < first:
                    return End(state["file"], began, last, state["connector"])
            except (OSError, EOFError, ValueError, KeyError, TypeError):
                continue
        return None

    def keep(self, end: End, hosts: Iterable[str]) -> None:
        """Keep the end of a log in which `hosts` wrote; the oldest ones give way."""
        state = {
            "version": _VERSION,
            "file": end.file,
            "hosts": sorted(hosts),
            "first": end.first.isoformat(),
            "last": end.last.isoformat(),
            "connector": end.connector,
        }
        self._directory.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(f"{end.file} {state['hosts']}".encode()).hexdigest()[:12]
        # Names in the order of time; no colons, which some file systems refuse.
        name = f"{end.last:%Y%m%dT%H%M%S.%f%z}-{digest}.json.gz"
        handle, temporary = tempfile.mkstemp(prefix=".", dir=self._directory)
        with os.fdopen(handle, "wb") as written:
            packed = json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode()
            written.write(gzip.compress(packed, _LEVEL))
        Path(temporary).replace(self._directory / name)
        for path in sorted(self._directory.glob("*.json.gz"))[:-_KEPT]:
            path.unlink(missing_ok=True)


def _moment_of(path: Path) -> str:
    return path.name.rsplit("-", 1)[0]
