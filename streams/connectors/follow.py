"""Reads a log file once or follows it through rotations; keeps its place in a state file.

The place and the state of what was made of the lines are saved together, by the caller, after
everything made of those lines was acknowledged. A restart then loses nothing; what was sent
but not yet saved is sent again under the same ids.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from mailsla.streams.connectors.bounded import read_line
from mailsla.streams.connectors.rotation import (
    FINGERPRINT_BYTES,
    LogPosition,
    complete_lines,
    generations_after,
    head_of,
    open_log,
    position_at,
    size_of,
)

_STATE_VERSION: Final = 1


class StateFileError(ValueError):
    """A state file that cannot be used; the message names it and the remedy."""


def read_lines(path: Path) -> Iterator[bytes]:
    """All lines of a finished plain or gzip log, a last one without line end included.

    Lines beyond `bounded.MAX_LINE_BYTES` are cut.
    """
    with open_log(path) as file:
        while line := read_line(file):
            yield line


@dataclass
class _Generation:
    path: Path
    file: IO[bytes]
    inode: int
    head: bytes


class Follower:
    """Follows one log: `poll` returns the lines written since, up to `limit` at a time.

    A rename with a new file (logrotate's default) is noticed by the inode: the old generation
    is read to its end, a last line without line end included, before the new one begins. A
    truncation in place (`copytruncate`) is noticed by a smaller size or another beginning;
    what the copy holds beyond the place read last is read from the copy. A line still being
    written is left until its line end is there. There is no waiting in here: call `poll` again
    after an interval when it returned nothing.
    """

    def __init__(self, path: Path, position: LogPosition | None = None) -> None:
        self._path = path
        self._current: _Generation | None = None
        self._pending: list[tuple[Path, int]] = (
            [(path, 0)] if position is None else generations_after(path, position)
        )
        self._position = position
        self._drained_once = False

    @property
    def position(self) -> LogPosition | None:
        """The place after the last line returned; None before the first."""
        return self._position

    def open(self) -> None:
        """Open the log, if it is there, so that `position` names its generation."""
        if self._current is None:
            self._open_next()

    def poll(self, limit: int = 10_000) -> list[bytes]:
        """The next complete lines, oldest first; empty when nothing new was written."""
        lines: list[bytes] = []
        while len(lines) < limit:
            if self._current is None and not self._open_next():
                break
            lines += self._read_current(limit - len(lines))
            if len(lines) >= limit or not self._move_on(lines):
                break
        return lines

    def close(self) -> None:
        """Close the file; the position stays valid."""
        if self._current is not None:
            self._current.file.close()
            self._current = None

    def _open_next(self) -> bool:
        while self._pending:
            path, offset = self._pending[0]
            try:
                file = open_log(path)
            except FileNotFoundError:
                if path == self._path:
                    return False  # not written yet, or between rename and creation
                self._pending.pop(0)
                continue
            self._pending.pop(0)
            file.seek(offset)
            inode = os.fstat(file.fileno()).st_ino
            self._current = _Generation(path, file, inode, head_of(file))
            self._drained_once = False
            self._position = position_at(file, inode, offset)
            return True
        return False

    def _read_current(self, limit: int) -> list[bytes]:
        current = self._current
        if current is None:
            return []
        if current.path == self._path and self._was_truncated(current):
            return []
        lines: list[bytes] = []
        for line in complete_lines(current.file):
            lines.append(line)
            if len(lines) >= limit:
                break
        if lines:
            self._drained_once = False
            if len(current.head) < FINGERPRINT_BYTES:
                current.head = head_of(current.file)
            place = current.file.tell()
            self._position = position_at(current.file, current.inode, place, current.head)
        return lines

    def _was_truncated(self, current: _Generation) -> bool:
        head = head_of(current.file)
        return size_of(current.file) < current.file.tell() or not head.startswith(current.head)

    def _move_on(self, lines: list[bytes]) -> bool:
        """Whether another generation is to be read; the present one's end goes to `lines`."""
        current = self._current
        if current is None:
            return False
        if current.path == self._path:
            if self._was_truncated(current):
                return self._restart_truncated()
            try:
                if self._path.stat().st_ino == current.inode:
                    return False
            except FileNotFoundError:
                return False
            if not self._drained_once:
                # The writer may hold the renamed file a moment longer: look once more.
                self._drained_once = True
                return False
            self._pending = self._generations_since(current)
        while line := read_line(current.file):
            lines.append(line)
        place = current.file.tell()
        self._position = position_at(current.file, current.inode, place, current.head)
        self.close()
        return True

    def _generations_since(self, current: _Generation) -> list[tuple[Path, int]]:
        """After a rename: what was rotated meanwhile, then the new log."""
        if self._position is None or self._position.fingerprint_length == 0:
            return [(self._path, 0)]
        generations = generations_after(self._path, self._position)
        return generations[1:] if len(generations) > 1 else generations

    def _restart_truncated(self) -> bool:
        position = self._position
        self.close()
        if position is None or position.fingerprint_length == 0:
            self._pending = [(self._path, 0)]
        else:
            self._pending = generations_after(self._path, position)
        return True


def load_state(path: Path) -> tuple[LogPosition | None, dict[str, Any] | None]:
    """The saved place and connector state; (None, None) without a file. Raises StateFileError."""
    try:
        state = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None, None
    except json.JSONDecodeError as error:
        raise StateFileError(f"{path} is damaged ({error}); remove it to start afresh.") from error
    if not isinstance(state, dict) or state.get("version") != _STATE_VERSION:
        raise StateFileError(f"{path} is of another version; remove it to start afresh.")
    position = state["position"]
    return (None if position is None else LogPosition.from_json(position)), state["connector"]


def save_state(path: Path, position: LogPosition | None, connector: dict[str, Any]) -> None:
    """Write place and connector state as one: readers see the old file or the new one.

    Call it only after every event made of the lines up to `position` was acknowledged.
    """
    state = {
        "version": _STATE_VERSION,
        "position": None if position is None else position.to_json(),
        "connector": connector,
    }
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(state, file, ensure_ascii=False, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
