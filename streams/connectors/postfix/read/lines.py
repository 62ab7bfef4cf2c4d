"""One Postfix log text → what it says, as a typed record; unknown texts say nothing (None).

Queue ids are short (`2B6B222A51C`, hexadecimal) or long (`4jXSs86QcVzK5wh`, no vowels). The
daemon is the last part of the program tag, whatever the syslog name before it
(`postfix-10.1.2.3/smtp`, `postfix/submission/smtpd`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

NOQUEUE: Final = "NOQUEUE"

DELIVERY_DAEMONS: Final = frozenset(
    {"smtp", "lmtp", "local", "virtual", "pipe", "error", "retry", "discard"}
)

_QUEUE_ID: Final = re.compile(r"[0-9A-F]{5,}$|[0-9BCDFGHJ-NP-TV-Zbcdfghj-np-tv-z]{10,}$")
_CLIENT: Final = re.compile(r"client=(\S*\[[^\]]*\](?::\d+)?)(?:, (.*))?$")
_ACTIVE: Final = re.compile(r"from=<(.*)>, size=(\d{1,15}), nrcpt=(\d{1,9}) \(queue active\)")
_EXPIRED: Final = re.compile(r"from=<(.*)>, status=(?:force-)?expired\b")
_PICKUP: Final = re.compile(r"uid=(\d+) from=<(.*?)>(?: orig_id=(\w+))?$")
_NUMBER: Final = r"(\d{1,9}(?:\.\d{1,9})?)"
_STATUS: Final = re.compile(
    r"to=(?:<(.*?)>|([^,]*)), (?:orig_to=(?:<(.*?)>|([^,]*)), )?relay=([^,]*), "
    rf"(?:conn_use=\d+, )?delay={_NUMBER}, delays={_NUMBER}/{_NUMBER}/{_NUMBER}/{_NUMBER}, "
    r"(?:[^,=]+=[^,]*, )*?dsn=([\d.]*), status=([\w-]+)(?: \((.*))?$",
    re.DOTALL,
)
_TROUBLE: Final = re.compile(
    r"(?:host|lost connection with|conversation with) (\S+\[[^\]]*\](?::\d+)?) "
)
_CONNECT: Final = re.compile(r"connect to (\S+\[[^\]]*\](?::\d+)?): ")
_REFUSAL: Final = re.compile(r"(reject|milter-reject|proxy-reject|discard|milter-discard): (\S+)")
_ENVELOPE_FROM: Final = re.compile(r"; from=<(.*?)>[ ,]")
_ENVELOPE_TO: Final = re.compile(r"[ ;,] ?to=<(.*?)>(?:[ ,]|$)")
_ENHANCED: Final = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_NOTIFICATION: Final = re.compile(r"\w+ [\w -]*notification: (\w+)$")
_SESSION: Final = re.compile(
    r"(disconnect|lost connection|timeout|too many errors)\b(?: after (\S+))?"
)


class Client(NamedTuple):
    """smtpd: a client opened a message; `address` as `name[ip]`; `user` is the SASL login."""

    queue_id: str
    address: str
    user: str | None
    original: str | None


class Pickup(NamedTuple):
    """pickup: a locally submitted message, or one put back (`original`) by `postsuper -r`."""

    queue_id: str
    sender: str
    original: str | None


class MessageId(NamedTuple):
    """cleanup: the Message-ID header of a message being received."""

    queue_id: str
    message_id: str


class Active(NamedTuple):
    """qmgr: a message entered the active queue."""

    queue_id: str
    sender: str
    size: int
    recipients: int


class Expired(NamedTuple):
    """qmgr: too old, returned to its sender (no recipient is named)."""

    queue_id: str


class Removed(NamedTuple):
    """qmgr: done; or postsuper: `by_operator`."""

    queue_id: str
    by_operator: bool


class Requeued(NamedTuple):
    """postsuper: put back for pickup; a new queue id follows."""

    queue_id: str


class Held(NamedTuple):
    """postsuper or cleanup: placed on hold (`on`) or released."""

    queue_id: str
    on: bool


class StatusLine(NamedTuple):
    """A delivery attempt of one recipient; delays in µs (`a/b/c/d` as Postfix names them)."""

    queue_id: str
    recipient: str
    original_recipient: str | None
    relay: str
    delay: int
    before_active: int
    in_manager: int
    connection: int
    transfer: int
    dsn: str
    status: str
    text: str


class Session(NamedTuple):
    """smtpd: a session's end, or other proof that the client's last message is complete."""

    kind: str
    after: str | None


class Refusal(NamedTuple):
    """A recipient or message turned away or thrown away on reception."""

    queue_id: str | None
    action: str
    stage: str
    sender: str | None
    recipient: str | None
    dsn: str | None
    text: str


class Notification(NamedTuple):
    """bounce: a notification about `queue_id` was queued as `notice`."""

    queue_id: str
    notice: str


class RemoteTrouble(NamedTuple):
    """smtp: one remote server failed the message; another may be tried."""

    queue_id: str
    server: str


class ConnectFailure(NamedTuple):
    """smtp: a connection could not be made (no queue id; the pid links it to a message)."""

    server: str


Record = (
    Client
    | Pickup
    | MessageId
    | Active
    | Expired
    | Removed
    | Requeued
    | Held
    | StatusLine
    | Session
    | Refusal
    | Notification
    | RemoteTrouble
    | ConnectFailure
)


TextParser = Callable[[str], Record | None]


def parser_of(daemon: str) -> TextParser | None:
    """How to read the texts of a daemon; None for one that logs nothing of use.

    A parser gives None for a text that says nothing of use.
    """
    return _PARSERS.get(daemon)


def micros(seconds: str) -> int:
    """Seconds with decimals, as Postfix writes delays, in µs."""
    return round(float(seconds) * 1_000_000)


def head_of_text(text: str) -> tuple[str, str]:
    """Queue id and the rest; an empty queue id where the text opens with none."""
    head, separator, rest = text.partition(": ")
    if separator and _QUEUE_ID.match(head):
        return head, rest
    return "", text


def _delivery(text: str) -> Record | None:
    queue_id, rest = head_of_text(text)
    if not queue_id:
        match = _CONNECT.match(text)
        return ConnectFailure(match[1]) if match else None
    match = _STATUS.match(rest)
    if match is None:
        trouble = _TROUBLE.match(rest)
        return RemoteTrouble(queue_id, trouble[1]) if trouble else None
    (to, bare, origin, bare_origin, relay, delay, a, b, c, d, dsn, status, reason) = match.groups()
    return StatusLine(
        queue_id,
        to if to is not None else bare,
        origin if origin is not None else bare_origin,
        relay,
        micros(delay),
        micros(a),
        micros(b),
        micros(c),
        micros(d),
        dsn,
        status,
        (reason or "").removesuffix(")"),
    )


def _smtpd(text: str) -> Record | None:
    queue_id, rest = head_of_text(text)
    if queue_id and rest.startswith("client="):
        match = _CLIENT.match(rest)
        if match is None:
            return None
        if match[2] is None:
            return Client(queue_id, match[1], None, None)
        extra = dict(part.partition("=")[::2] for part in match[2].split(", "))
        return Client(queue_id, match[1], extra.get("sasl_username"), extra.get("orig_queue_id"))
    if queue_id or text.startswith((NOQUEUE, "proxy-reject")):
        return _refusal(queue_id or None, rest.removeprefix(f"{NOQUEUE}: "))
    match = _SESSION.match(text)
    return Session(match[1], match[2]) if match else None


def _refusal(queue_id: str | None, rest: str) -> Refusal | None:
    match = _REFUSAL.match(rest)
    if match is None:
        return None
    sender = _ENVELOPE_FROM.search(rest)
    tail = rest[sender.start() :] if sender else rest
    recipient = _ENVELOPE_TO.search(tail)
    reason = rest[match.end() :].partition("; from=<")[0].strip()
    dsn = _ENHANCED.search(reason.partition("]: ")[2] or reason)
    return Refusal(
        queue_id,
        match[1],
        match[2].removesuffix(":"),
        sender[1] if sender else None,
        recipient[1] if recipient else None,
        dsn[1] if dsn else None,
        reason,
    )


def _cleanup(text: str) -> Record | None:
    queue_id, rest = head_of_text(text)
    if not queue_id:
        return None
    if rest.startswith("message-id="):
        return MessageId(queue_id, rest[11:])
    if rest.startswith(("hold: ", "milter-hold: ")):
        return Held(queue_id, on=True)
    return _refusal(queue_id, rest)


def _qmgr(text: str) -> Record | None:
    queue_id, rest = head_of_text(text)
    if not queue_id:
        return None
    if rest == "removed":
        return Removed(queue_id, by_operator=False)
    match = _ACTIVE.match(rest)
    if match is not None:
        return Active(queue_id, match[1], int(match[2]), int(match[3]))
    return Expired(queue_id) if _EXPIRED.match(rest) else None


def _pickup(text: str) -> Record | None:
    queue_id, rest = head_of_text(text)
    match = _PICKUP.match(rest) if queue_id else None
    return Pickup(queue_id, match[2], match[3]) if match else None


def _postsuper(text: str) -> Record | None:
    queue_id, rest = head_of_text(text)
    if not queue_id:
        return None
    if rest == "removed":
        return Removed(queue_id, by_operator=True)
    if rest == "requeued":
        return Requeued(queue_id)
    if rest in ("placed on hold", "released from hold"):
        return Held(queue_id, on=rest == "placed on hold")
    return None


def _bounce(text: str) -> Record | None:
    queue_id, rest = head_of_text(text)
    match = _NOTIFICATION.match(rest) if queue_id else None
    return Notification(queue_id, match[1]) if match else None


def _postscreen(text: str) -> Record | None:
    return _refusal(None, text[9:]) if text.startswith(f"{NOQUEUE}: ") else None


_PARSERS: Final[dict[str, TextParser]] = {
    "smtpd": _smtpd,
    "cleanup": _cleanup,
    "qmgr": _qmgr,
    "nqmgr": _qmgr,
    "oqmgr": _qmgr,
    "pickup": _pickup,
    "postsuper": _postsuper,
    "bounce": _bounce,
    "postscreen": _postscreen,
    **dict.fromkeys(DELIVERY_DAEMONS, _delivery),
}
