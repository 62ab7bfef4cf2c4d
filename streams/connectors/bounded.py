"""Lines of a log with a bound: what is longer is cut, whatever a file or a pipe sends."""

from __future__ import annotations

from typing import IO, Final

MAX_LINE_BYTES: Final = 8_192
"""Longer than any line syslog writes; the rest of a longer one is read and dropped."""
_BLOCK: Final = 1 << 16


def read_line(file: IO[bytes]) -> bytes:
    """The next line with its line end, cut to `MAX_LINE_BYTES`; without one at the end of the file.

    The file's place is after the whole line. Never holds more than a block of it.
    """
    line = file.readline(MAX_LINE_BYTES)
    if line.endswith(b"\n") or len(line) < MAX_LINE_BYTES:
        return line
    while rest := file.readline(_BLOCK):
        if rest.endswith(b"\n"):
            return line + b"\n"
    return line


class LineSplitter:
    """Cuts blocks of bytes, however they come, into the lines `read_line` would give."""

    def __init__(self) -> None:
        self._open = b""

    def feed(self, block: bytes) -> list[bytes]:
        """The lines that this block completes, each with its line end."""
        first, *others = block.split(b"\n")
        self._extend(first)
        lines = []
        for part in others:
            lines.append(self._open + b"\n")
            self._open = part[:MAX_LINE_BYTES]
        return lines

    def rest(self) -> bytes:
        """A last line without line end; empty if there is none."""
        rest, self._open = self._open, b""
        return rest

    def _extend(self, part: bytes) -> None:
        self._open += part[: MAX_LINE_BYTES - len(self._open)]
