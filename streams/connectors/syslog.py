"""One line of a system log: stamp, host, program, process id, text.

Reads RFC 3164 (`Nov 22 12:14:43 host tag[pid]: text`), the same with an RFC 3339 stamp, and
RFC 5424 (`<22>1 stamp host app procid msgid [data] text`), each with or without a priority,
and what daemons, journalctl and containers make of them (`dialects`).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from mailsla.streams.connectors.dialects import is_severity, open_line, strip_mark, tag_in
from mailsla.streams.connectors.stamps import StampReader

_PRIORITY: Final = re.compile(r"<\d{1,3}>(1 )?")
_STRUCTURED: Final = re.compile(
    r"(?P<host>\S+) (?P<app>\S+) (?P<pid>\S+) \S+ "
    r"(?:-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: \ufeff?(?P<text>.*))?$",
    re.DOTALL,
)


class SyslogLine(NamedTuple):
    """A parsed line: `stamp` in µs since 1970; `program` as tagged (`postfix/smtpd`)."""

    stamp: int
    host: str
    program: str
    pid: str
    text: str


def parse_line(line: str, stamps: StampReader, host: str | None = None) -> SyslogLine | None:
    """Parse one line without its line end; None when it is not a log line.

    `host` stands in where the line names none; without it such a line has the host "".
    """
    if line[:1].isdecimal():
        line = _without_count(line)
    parsed = _parse_common(line, stamps)
    if (
        parsed is not None
        and "/" in parsed.program
        and parsed.host
        and not is_severity(parsed.host)
    ):
        return parsed
    if tag_in(line) is None:
        return parsed
    # The line belongs to Postfix, and is written in a form of its own.
    opened = open_line(line, stamps)
    if opened is None:
        return None
    return SyslogLine(
        opened.stamp, opened.host or host or "", opened.program, opened.pid, opened.text
    )


def _without_count(line: str) -> str:
    """A line without the byte count before it (octet counting, RFC 6587)."""
    count, _, rest = line.partition(" ")
    return rest if count.isdecimal() and rest[:1] == "<" else line


def _parse_common(line: str, stamps: StampReader) -> SyslogLine | None:
    structured = False
    if line[:1] == "<":
        priority = _PRIORITY.match(line)
        if priority is None:
            return None
        structured = priority[1] is not None
        line = line[priority.end() :]
    stamp = stamps.read(line)
    if stamp is None:
        return None
    micros, start = stamp
    if structured:
        return _parse_structured(micros, line[start:])
    parts = line[start:].split(" ", 2)
    if len(parts) < 2 or parts[1][-1:] != ":":
        return None
    host, tag = parts[0], parts[1][:-1]
    text = strip_mark(parts[2].lstrip(" ")) if len(parts) == 3 else ""
    bracket = tag.find("[")
    if bracket < 0:
        return SyslogLine(micros, host, tag, "", text)
    return SyslogLine(micros, host, tag[:bracket], tag[bracket + 1 : -1], text)


def _parse_structured(micros: int, rest: str) -> SyslogLine | None:
    match = _STRUCTURED.match(rest)
    if match is None:
        return None
    pid = "" if match["pid"] == "-" else match["pid"]
    return SyslogLine(micros, match["host"], match["app"], pid, match["text"] or "")
