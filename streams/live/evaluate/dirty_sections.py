"""Which sections of which months are to be looked at, and when they change by themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mailsla.schemas.indicators import OPEN_MONTHS
from mailsla.streams.clauses.facts.exclusions import LATENCY
from mailsla.streams.live.evaluate.states import SETTLE_US
from mailsla.streams.time.calendar import SECOND, Month

SECTIONS: Final = frozenset(range(1, 10))
_MONTHS: Final = ("present", "first", "measured")

PATIENT: Final = frozenset({4, 5, 7, 8})
"""Sections whose violations are absences: they wait a little for what may be on its way."""
OTHERS: Final = SECTIONS - {LATENCY}
PROMPT: Final = OTHERS - PATIENT
KNOWLEDGE: Final = 0
"""Stands for section 1 where all that may come is that nothing is known of it any more."""

_SETTLE_AT_MOST_US: Final = 60 * SECOND
"""Word of the past is told at the latest so long after the first of it."""

SECTIONS_OF_TOPIC: Final = {
    "mail.mta": frozenset({2}),
    "mail.probe": frozenset({1, 3}),
    "mail.ops": frozenset({1, 2, 3}),
    "mail.antivirus": frozenset({5}),
    "mail.backup": frozenset({7}),
    "mail.billing": frozenset({3, 8}),
    "mail.abuse": frozenset({4}),
    "mail.support": frozenset({9}),
    "mail.security": frozenset({6}),
    "sla.calendars": frozenset({4}),
}
"""What a record of a topic can change."""


@dataclass(slots=True)
class DirtySections:
    """Those of one group of tenants; instants are event times, µs."""

    present: Month | None = None
    first: Month | None = None
    """The first month of the tenants' own events."""
    measured: Month | None = None
    """The earliest month that was looked at."""
    of_month: dict[Month, set[int]] = field(default_factory=dict)
    since: dict[int, Month] = field(default_factory=dict)
    """Section → the month from which on it is dirty."""
    due_us: dict[Month, dict[int, int]] = field(default_factory=dict)
    """Month → section → when it is to be looked at by then at the latest."""
    settling: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Section of whose past something became known → when at first, and until when it waits."""

    def mark(self, month: Month, sections: Iterable[int]) -> None:
        """Some sections of one month are dirty."""
        self.of_month.setdefault(month, set()).update(sections)

    def mark_since(self, month: Month, sections: Iterable[int]) -> None:
        """Some sections are dirty in a month and in all later ones."""
        for section in sections:
            self.since[section] = min(month, self.since.get(section, month))

    def take_along(self, before: "DirtySections") -> None:
        """A tenant comes from others: all that it was looked at with is dirty once more.

        Word of the past that waited with them goes on waiting.
        """
        if before.measured is not None:
            self.mark(before.measured, OTHERS)
            self.mark_since(before.measured, OTHERS)
        self.settling = {**before.settling, **self.settling}

    def settle(self, sections: Iterable[int], now_us: int) -> None:
        """Word of the past has come of some sections: they wait for what belongs to it."""
        for section in sections:
            first_us, _ = self.settling.get(section, (now_us, 0))
            until_us = min(now_us + SETTLE_US, first_us + _SETTLE_AT_MOST_US)
            self.settling[section] = first_us, until_us

    def settled_us(self) -> int | None:
        """When the first section has waited long enough, if any waits."""
        return min((until_us for _, until_us in self.settling.values()), default=None)

    def end_settling(self, at_us: int) -> None:
        """Sections that have waited long enough by an instant no longer wait."""
        waiting = self.settling.items()
        self.settling = {section: span for section, span in waiting if span[1] > at_us}

    def take(self, present: Month, known: Month) -> dict[Month, set[int]]:
        """What is to be looked at, up to the present month; only what waits is dirty afterwards.

        Before the month ``known`` nothing was known, hence nothing has changed, but for months
        that were looked at all the same.
        """
        known = min(known, self.measured or known)
        if self.present != present:
            self.mark_since(min(self.present or present, present), SECTIONS)
            self.present = present
        waiting = self.settling.keys()
        for section, first in self.since.items():
            if section in waiting:
                continue
            for month in open_months(present):
                if month >= max(first, known):
                    self.mark(month, {section})
        # A later month is looked at whole when it begins.
        oldest = oldest_open(present)
        taken = {
            month: chosen
            for month in sorted(self.of_month)
            if oldest <= month <= present and (chosen := self.of_month[month] - waiting)
        }
        self.of_month = {
            month: kept for month, found in self.of_month.items() if (kept := found & waiting)
        }
        self.since = {each: month for each, month in self.since.items() if each in waiting}
        self.measured = min((known, *taken))
        return taken

    def export(self) -> dict[str, Any]:
        """Everything of this, for the state."""
        return {
            **{name: getattr(self, name) and getattr(self, name).label for name in _MONTHS},
            "of_month": {month.label: sorted(found) for month, found in self.of_month.items()},
            "since": [(section, month.label) for section, month in self.since.items()],
            "due_us": {month.label: [*dues.items()] for month, dues in self.due_us.items()},
            "settling": [(section, *span) for section, span in self.settling.items()],
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "DirtySections":
        """What `export` gave."""
        parse = Month.parse
        return cls(
            **{name: document[name] and parse(document[name]) for name in _MONTHS},
            of_month={parse(month): set(found) for month, found in document["of_month"].items()},
            since={section: parse(month) for section, month in document["since"]},
            due_us={parse(month): dict(dues) for month, dues in document["due_us"].items()},
            settling={section: tuple(span) for section, *span in document.get("settling", ())},
        )


def open_months(present: Month) -> list[Month]:
    """The months that can still change, the present one first."""
    months = [present]
    for _ in range(OPEN_MONTHS):
        months.append(months[-1].previous())
    return months


def oldest_open(present: Month) -> Month:
    """The earliest month that can still change."""
    return open_months(present)[-1]
