"""Which lines of Postfix say nothing of a message's fate, daemon by daemon.

Every line of Postfix is read (`lines`), harmless (here), or not understood; the last are counted
by kind, so that a form nobody has met is seen and not lost.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from mailsla.streams.connectors.postfix.read.lines import NOQUEUE, head_of_text
from mailsla.streams.connectors.syslog import SyslogLine

# What a daemon adds about a message that it goes on with; results have their own form.
_REMARKS: Final = re.compile(
    r"(?:warn|warning|info|filter|redirect|bcc|replace|prepend|strip|pass|permit|dunno|ignore|"
    r"reject_warning|milter-\w+|resent-message-id=|message-id=|message repeated|"
    r"Cannot start TLS|TLS |Server certificate|Untrusted|Trusted|Anonymous|Verified|certificate|"
    r"enabling|enabled|disabling|breaking|replacing|skipped|no signal|SASL|SMTPUTF8|"
    r"passing |not sending|no trace file|status=\w+ \(\w+ failed\)|"
    r"host |lost connection|conversation|connect to|refused|server |sender |recipient|"
    r"table |dict_|uid=|client=|removed|released|placed|requeued|expired|flush|"
    r"size |header |body |mail loop|queue file|truncat|sent non|delivery status)",
    re.IGNORECASE,
)
_KINDS: Final = 100
_EXAMPLE: Final = 300
_RESULT: Final = re.compile(r"\bstatus=(?!\w+ \(\w+ failed\))|\bdelays=|: (?:reject|discard)\b")
_KIND: Final = re.compile(r"status=[\w-]+|[A-Za-z_-]+[:=]?(?: [A-Za-z_-]+[:=]?)?")
_REPEATED: Final = re.compile(r"message repeated \d+ times|last message repeated")


def is_harmless(daemon: str, text: str, *, known: bool) -> bool:
    """Whether a text of which no record was made may be passed over.

    `known`: the daemon is one that tells of messages. Daemons that do not are harmless unless
    the text looks like a result; what names no queue id speaks of no message.
    """
    if _REPEATED.match(text):
        return True  # a copy: the first one was written before
    queue_id, rest = head_of_text(text)
    if not known:
        return not (queue_id and _RESULT.search(rest))
    if not queue_id:
        return not (text.startswith(f"{NOQUEUE}: ") and _RESULT.search(text))
    return _REMARKS.match(rest) is not None and not _RESULT.search(rest)


def kind_of(daemon: str, text: str) -> str:
    """A short name under which alike texts are counted: `smtp: status=odd`."""
    rest = head_of_text(text)[1]
    status = re.search(r"status=[\w-]+", rest)
    match = status or _KIND.match(rest)
    return f"{daemon}: {match[0][:40] if match else 'unknown text'}"


class Misunderstood:
    """Postfix lines that were not understood: how many of each kind, and the first of them."""

    def __init__(self, counters: Counter[str]) -> None:
        self.kinds: dict[str, tuple[int, str]] = {}
        self._counters = counters

    def add(self, line: SyslogLine, kind: str) -> None:
        """Take down a line; beyond a hundred kinds they are one."""
        self._counters["not_understood"] += 1
        if kind not in self.kinds and len(self.kinds) >= _KINDS:
            kind = "other"
        example = f"{line.program}[{line.pid}]: {line.text}"[:_EXAMPLE]
        count, first = self.kinds.get(kind, (0, example))
        self.kinds[kind] = (count + 1, first)

    def snapshot(self) -> dict[str, Any]:
        """JSON-able."""
        return {kind: list(seen) for kind, seen in self.kinds.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The reverse of snapshot."""
        self.kinds = {kind: (count, example) for kind, (count, example) in state.items()}
