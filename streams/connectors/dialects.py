"""The forms in which a Postfix line reaches a file besides the common ones.

Daemons, containers and tools write the same four things, stamp, host, tag and text, in many
ways: prefixes of docker, compose and CRI, a stamp of journalctl, a severity in between
(FreeBSD, AIX, Solaris), tabs, no host. What all have is Postfix's tag, so the line is read
around it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from mailsla.streams.connectors.stamps import SECOND, StampReader

_DAEMONS: Final = (
    "anvil|bounce|cleanup|defer|discard|dnsblog|error|flush|lmtp|local|master|n?qmgr|oqmgr|pickup|"
    "pipe|postdrop|postlogd|postqueue|postscreen|postsuper|proxymap|qmqpd|retry|scache|sendmail|"
    "showq|smtpd?|spawn|tlsmgr|tlsproxy|trace|trivial-rewrite|verify|virtual"
)
_TAG: Final = re.compile(
    rf"(?:^|(?<=\s))(?P<program>[\w.-]+(?:/[\w.-]+)*/(?:{_DAEMONS}))"
    r"(?:\[(?P<pid>\d+)\])?(?::|(?=\s)|$)"
)
_PREFIX: Final = re.compile(
    r"(?:\ufeff|\x1b\[[\d;]*m|\s+"
    r"|[\w.-]+\s*\|\s"  # docker compose: `postfix-1  | `
    r"|\d{1,5} (?=<\d)"  # octet counting
    r"|<\d{1,3}>(?:1 (?=\S))?)++"
)
_STREAM: Final = re.compile(r"std(?:out|err) [FP] ")
_SEVERITY: Final = re.compile(
    r"[<\[(]?(?:(?:mail|user|daemon|syslog|local\d)[.:])?"
    r"(?:emerg|alert|crit|err|error|warn|warning|notice|info|debug)[>\])]?:?$",
    re.IGNORECASE,
)
_MARK: Final = re.compile(r"\[ID \d+ [\w.]+\] |(?:info|notice|debug)[:\s]\s*", re.IGNORECASE)

_REPEATED: Final = re.compile(r"message repeated \d+ times: \[ ?(.*)\]$")


class OpenedLine(NamedTuple):
    """The parts of a line; `host` is empty where it names none."""

    stamp: int
    host: str
    program: str
    pid: str
    text: str


def tag_in(line: str) -> re.Match[str] | None:
    """Where a line has the tag of a Postfix daemon (`postfix/smtp[4102]:`)."""
    return _TAG.search(line)


@lru_cache(maxsize=4096)
def is_severity(word: str) -> bool:
    """Whether a word between stamp and tag is a severity (`<mail.info>`), and no host."""
    return _SEVERITY.match(word) is not None


def strip_mark(text: str) -> str:
    """A text without what syslog daemons put around it: a message number, a severity, a count.

    What was `repeated` may not have been written before: a daemon keeps the first copy back,
    and a log begins anywhere. The same result twice counts once.
    """
    if text[:1] not in "[iInNdDm":
        return text
    repeated = _REPEATED.match(text)
    if repeated is not None:
        return repeated[1]
    mark = _MARK.match(text)
    return text if mark is None else text[mark.end() :]


def prefix_length(line: str) -> int:
    """The length of what containers and relays put before a line's stamp."""
    prefix = _PREFIX.match(line)
    return 0 if prefix is None else prefix.end()


def open_line(line: str, stamps: StampReader) -> OpenedLine | None:
    """Read a line around its tag; None when no stamp stands before it."""
    line = line[prefix_length(line) :]
    outer = stamps.read_any(line)
    if outer is None:
        return None
    stamp, start = outer
    stream = _STREAM.match(line, start)
    start = start if stream is None else stream.end()
    inner = stamps.read_any(line[start:])
    if inner is not None:
        # A container's stamp before the log's own: it is finer where they agree.
        own, length = inner
        finer = own % SECOND == 0 and own <= stamp < own + SECOND
        stamp, start = (stamp if finer else own), start + length
    tag = _TAG.search(line, start)
    if tag is None:
        return None
    words = [word for word in line[start : tag.start()].split() if not is_severity(word)]
    text = strip_mark(line[tag.end() :].lstrip(" \t:"))
    return OpenedLine(stamp, words[0] if words else "", tag["program"], tag["pid"] or "", text)
