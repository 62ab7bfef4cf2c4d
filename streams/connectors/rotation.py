"""Where in a log that is being rotated a reader stands, and where it goes on after a restart."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from mailsla.streams.connectors.bounded import read_line

FINGERPRINT_BYTES: Final = 256


@dataclass(frozen=True)
class LogPosition:
    """A place in one generation of a log.

    `inode` and the fingerprint (SHA-256 of the first `fingerprint_length` bytes, at most 256)
    name the generation; `offset` is the byte after the last complete line that was read.
    """

    inode: int
    offset: int
    fingerprint: str
    fingerprint_length: int

    def to_json(self) -> dict[str, Any]:
        """JSON-able form."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> LogPosition:
        """The reverse of to_json."""
        return cls(
            int(state["inode"]),
            int(state["offset"]),
            str(state["fingerprint"]),
            int(state["fingerprint_length"]),
        )

    def is_in(self, file: IO[bytes]) -> bool:
        """Whether an open file is this generation and still holds what was read of it."""
        head, length = head_of(file)[: self.fingerprint_length], self.fingerprint_length
        if len(head) < length or _digest(head) != self.fingerprint:
            return False
        return size_of(file) >= self.offset


def head_of(file: IO[bytes]) -> bytes:
    """The first bytes of an open file; its place is kept."""
    place = file.tell()
    file.seek(0)
    head = file.read(FINGERPRINT_BYTES)
    file.seek(place)
    return head


def size_of(file: IO[bytes]) -> int:
    """Bytes in an open file (uncompressed); its place is kept."""
    place = file.tell()
    size = file.seek(0, 2) if not isinstance(file, gzip.GzipFile) else _uncompressed_size(file)
    file.seek(place)
    return size


def _uncompressed_size(file: gzip.GzipFile) -> int:
    while file.read(1 << 20):
        pass
    return file.tell()


def position_at(file: IO[bytes], inode: int, offset: int, head: bytes = b"") -> LogPosition:
    """The place `offset` of an open generation; `head` is its beginning, where it is known.

    To go back to the beginning of a compressed file and forth again unpacks all of it.
    """
    known = head if len(head) == FINGERPRINT_BYTES else head_of(file)
    head = known[: min(offset, FINGERPRINT_BYTES)]
    return LogPosition(inode, offset, _digest(head), len(head))


def _digest(head: bytes) -> str:
    return hashlib.sha256(head).hexdigest()


def open_log(path: Path) -> IO[bytes]:
    """Open a plain or gzip-compressed (`.gz`) log for reading bytes."""
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def rotated_siblings(path: Path) -> list[Path]:
    """Earlier generations beside a log (`mail.log.1`, `mail.log-20261101.gz`), newest first."""
    found = []
    for sibling in path.parent.iterdir():
        if sibling.name.startswith(f"{path.name}.") or sibling.name.startswith(f"{path.name}-"):
            try:
                found.append((sibling.stat().st_mtime_ns, sibling))
            except FileNotFoundError:
                continue  # rotated away while we looked
    return [sibling for _, sibling in sorted(found, key=lambda entry: entry[0], reverse=True)]


def generations_after(path: Path, position: LogPosition) -> list[tuple[Path, int]]:
    """What a restarted reader has to read: (file, offset), oldest first, the log itself last.

    The generation of `position` is found again by its fingerprint, whether it still is the
    log, was renamed, copied or compressed; generations rotated since then follow whole. A
    generation that is nowhere any more is gone: the log is read from its beginning.
    """
    if _holds(path, position):
        return [(path, position.offset)]
    newer: list[tuple[Path, int]] = []
    for sibling in rotated_siblings(path):
        if _holds(sibling, position):
            return [(sibling, position.offset), *reversed(newer), (path, 0)]
        newer.append((sibling, 0))
    return [(path, 0)]


def _holds(path: Path, position: LogPosition) -> bool:
    if position.fingerprint_length == 0:
        # Nothing was read of it yet: only the inode can name it.
        try:
            return path.stat().st_ino == position.inode
        except FileNotFoundError:
            return False
    try:
        with open_log(path) as file:
            return position.is_in(file)
    except (FileNotFoundError, gzip.BadGzipFile, EOFError):
        return False


def complete_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The complete lines from an open file's place on, cut to `bounded.MAX_LINE_BYTES`.

    Stops before a line still being written.

    The file's place is after the last complete line whenever a line has been taken.
    """
    while True:
        place = file.tell()
        line = read_line(file)
        if not line.endswith(b"\n"):
            file.seek(place)
            return
        yield line
