"""Which tenants to measure when, and what of it is news.

A section of a tenant is measured when an event touched it, and when the event clock reaches an
instant at which a value changes by itself (a deadline, a day's end, the month's end). Published
is what differs from what was published before.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from streams.agents.feed import Feed
from streams.agents.ledger import Finding, Ledger, month_of
from streams.agents.observations import Observations
from streams.clauses.contracts import month_at
from streams.runtime.delivery import Outgoing
from streams.windows.calendar import Month

SECTIONS: Final = frozenset(range(1, 10))
PATIENT: Final = frozenset({4, 5, 7, 8})
"""Sections whose violations are absences: they wait for late events before they are told."""
PROMPT: Final = SECTIONS - PATIENT

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
}
"""What an event of a topic can change."""


@dataclass
class _Watch:
    """What is stale of a tenant, and when its sections change by themselves."""

    month: Month | None = None
    months: set[Month] = field(default_factory=set)
    sections: set[int] = field(default_factory=set)
    due_us: dict[int, int] = field(default_factory=dict)


class Evaluation:
    """Measures the tenants of a task and tells what changed."""

    def __init__(self, ledger: Ledger, partition: int) -> None:
        self._ledger = ledger
        self.feed = Feed(partition)
        self._observations = Observations(ledger, partition)
        self._watches: dict[str, _Watch] = {}
        self._stale: set[str] = set()
        self._soonest_us: int | None = None

    def touch(self, tenant: str, sections: Iterable[int], instant_us: int) -> None:
        """An event about an instant, which may lie in an earlier month, changed some sections."""
        watch = self._watches.setdefault(tenant, _Watch())
        watch.sections.update(sections)
        watch.months.add(self._month(tenant, instant_us))
        self._stale.add(tenant)

    def touch_all(self, sections: Iterable[int], instant_us: int) -> None:
        """Something about the platform changed, which concerns every tenant."""
        for tenant in self._ledger.names:
            self.touch(tenant, sections, instant_us)

    def run(self, now_us: int, watermark_us: int) -> Iterator[Outgoing]:
        """Measure what is due and yield what is news.

        Args:
            now_us: event time reached.
            watermark_us: event time before which no event is expected any more.
        """
        self._notice_due(watermark_us)
        for tenant in sorted(self._stale):
            yield from self._tenant(tenant, now_us, watermark_us)
        self._stale.clear()
        self._soonest_us = min(
            (due for watch in self._watches.values() for due in watch.due_us.values()),
            default=None,
        )

    def is_due(self, watermark_us: int) -> bool:
        """Whether `run` would measure anything."""
        return bool(self._stale) or (
            self._soonest_us is not None and self._soonest_us <= watermark_us
        )

    def _notice_due(self, watermark_us: int) -> None:
        if self._soonest_us is None or self._soonest_us > watermark_us:
            return
        for tenant, watch in self._watches.items():
            due = [section for section, at in watch.due_us.items() if at <= watermark_us]
            if due:
                watch.sections.update(due)
                self._stale.add(tenant)

    def _tenant(self, tenant: str, now_us: int, watermark_us: int) -> Iterator[Outgoing]:
        watch = self._watches.setdefault(tenant, _Watch())
        present = self._month(tenant, now_us)
        if watch.month != present:
            watch.sections = set(SECTIONS)
            if watch.month is not None:
                watch.months.add(watch.month)
        months = {month for month in watch.months if _place(month) < _place(present)}
        sections = watch.sections
        watch.months, watch.sections, watch.month = set(), set(), present
        for month in [*sorted(months, key=_place), present]:
            found = [
                *self._ledger.findings(tenant, month, now_us, sections & PROMPT),
                *self._ledger.findings(tenant, month, watermark_us, sections & PATIENT),
            ]
            yield from self.feed.tell(found, now_us)
            if month == present:
                self._note_due(watch, found, sections, watermark_us)
        if sections & {1, 3}:
            yield from self._observations.tell(tenant, present, now_us)

    def _note_due(
        self, watch: _Watch, found: list[Finding], sections: set[int], watermark_us: int
    ) -> None:
        for section in sections:
            watch.due_us.pop(section, None)
        for finding in found:
            if not finding.measure.has_data:
                continue  # only an event can change that
            section = finding.term.section
            for at in (finding.measure.next_us, finding.governed.period.end_us):
                if at is not None and at > watermark_us:
                    watch.due_us[section] = min(at, watch.due_us.get(section, at))

    def _month(self, tenant: str, instant_us: int) -> Month:
        versions = self._ledger.versions(tenant)
        return month_at(versions, instant_us) if versions else month_of(instant_us)


def _place(month: Month) -> tuple[int, int]:
    return month.year, month.number
