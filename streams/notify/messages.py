"""What a person is told: a subject and a text for events that came together. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from mailsla.schemas.contract import DEFAULT_TIMEZONE
from mailsla.schemas.presentation.feed import Told, condensed, figures_of
from mailsla.schemas.presentation.language import Language, Pair, pick
from mailsla.schemas.presentation.months import month_sentence, summarize
from mailsla.schemas.presentation.names import indicator_title
from mailsla.schemas.presentation.words import change_word, remedy_word, verdict_word
from mailsla.schemas.results import BreachEvent, ClosingEvent

LINES: Final = 20
"""So many things are named; of more, the number."""

_TENANTS: Final[Pair] = ("{count} tenants", "{count} 个甲方")
_MORE: Final[Pair] = ("… and {count} more", "……另有 {count} 项")
_SUBJECT: Final[Pair] = ("{first} (and {count} more)", "{first}（另有 {count} 项）")
_OWED: Final[Pair] = ("owed: {remedies}", "赔偿：{remedies}")
_CAUSE: Final[Pair] = ("cause: {cause}", "原因：{cause}")


@dataclass(frozen=True)
class Message:
    """One message, without anything that only one kind of receiver understands."""

    subject: str
    text: str


def compose(
    events: Sequence[tuple[BreachEvent | ClosingEvent, str | None]], language: Language
) -> Message:
    """One message of events with their causes, in order; at least one event."""
    breaches = [(e, cause) for e, cause in events if isinstance(e, BreachEvent)]
    lines = [_told(one, language) for one in condensed(breaches)]
    lines += [_closed(event, language) for event, _ in events if isinstance(event, ClosingEvent)]
    first, rest = lines[0], len(lines) - 1
    subject = first if not rest else pick(_SUBJECT, language).format(first=first, count=rest)
    shown = lines[:LINES]
    if len(lines) > LINES:
        shown.append(pick(_MORE, language).format(count=len(lines) - LINES))
    return Message(subject.partition("\n")[0], "\n".join(shown))


def _told(told: Told, language: Language) -> str:
    data = told.event.data
    who = told.event.subject
    if told.tenants > 1:
        who = pick(_TENANTS, language).format(count=f"{told.tenants:,}")
    at = data.event_time.astimezone(ZoneInfo(DEFAULT_TIMEZONE))
    words = [
        f"{who} {change_word(told.event.type, language)}",
        f"{indicator_title(data.indicator, language)} {figures_of(told.event, language)}",
        f"{data.period}, {at:%Y-%m-%d %H:%M:%S} UTC{at:%z}",
    ]
    if told.cause is not None:
        words.append(pick(_CAUSE, language).format(cause=told.cause))
    if told.event.type == "sla.indicator.breached" and data.remedy != "none":
        words.append(pick(_OWED, language).format(remedies=remedy_word(data.remedy, language)))
    return " · ".join(words)


def _closed(event: ClosingEvent, language: Language) -> str:
    closing = event.data
    summary = summarize((item.indicator, item.verdict) for item in closing.items)
    words = [
        f"{closing.tenant_id} {closing.month} {change_word(event.type, language)}",
        verdict_word(closing.verdict, language),
        month_sentence(summary, language),
    ]
    if closing.remedies:
        remedies = ", ".join(remedy_word(remedy, language) for remedy in closing.remedies)
        words.append(pick(_OWED, language).format(remedies=remedies))
    return " · ".join(words)
