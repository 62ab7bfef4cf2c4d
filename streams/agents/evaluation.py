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


_REACH: Final = 24
"""So many months before the present one are told again when something earlier has changed."""


@dataclass
class _Watch:
    """What is stale of a tenant, and when its sections change by themselves."""

    present: Month | None = None
    first: Month | None = None
    """The first month of the tenant's own events."""
    measured: Month | None = None
    """The earliest month that was measured."""
    stale: dict[Month, set[int]] = field(default_factory=dict)
    since: dict[int, Month] = field(default_factory=dict)
    """Section → the month from which on it is stale."""
    due_us: dict[Month, dict[int, int]] = field(default_factory=dict)

    def mark(self, month: Month, sections: Iterable[int]) -> None:
        """Some sections of one month are stale."""
        self.stale.setdefault(month, set()).update(sections)

    def mark_since(self, month: Month, sections: Iterable[int]) -> None:
        """Some sections are stale in a month and in all later ones."""
        for section in sections:
            self.since[section] = min(month, self.since.get(section, month))

    def soonest_us(self) -> int | None:
        """The next instant at which something changes by itself."""
        return min((at for dues in self.due_us.values() for at in dues.values()), default=None)

    def take_stale(self, present: Month, known: Month) -> dict[Month, set[int]]:
        """What is to be measured again, up to the present month; nothing is stale afterwards.

        Before the month ``known`` nothing was known, hence nothing has changed, but for months
        that were measured all the same.
        """
        known = min(known, self.measured or known)
        if self.present != present:
            self.mark_since(min(self.present or present, present), SECTIONS)
            self.present = present
        for section, first in self.since.items():
            month = present
            for _ in range(_REACH + 1):
                if month < max(first, known):
                    break
                self.mark(month, {section})
                month = month.previous()
        # A later month is measured whole when it begins.
        taken = {month: self.stale[month] for month in sorted(self.stale) if month <= present}
        self.stale, self.since = {}, {}
        self.measured = min((known, *taken))
        return taken


class Evaluation:
    """Measures the tenants of a task and tells what changed."""

    def __init__(self, ledger: Ledger, partition: int) -> None:
        self._ledger = ledger
        self.feed = Feed(partition)
        self._observations = Observations(ledger, partition)
        self._watches: dict[str, _Watch] = {}
        self._stale: set[str] = set()
        self._soonest_us: int | None = None

    @property
    def open_since(self) -> Month | None:
        """The earliest month in which something is still to change by itself."""
        return min(
            (month for watch in self._watches.values() for month in watch.due_us), default=None
        )

    def touch(self, tenant: str, sections: Iterable[int], instant_us: int) -> None:
        """An event changed some sections from an instant on, which may lie in an earlier month."""
        chosen, month = frozenset(sections), self._month(tenant, instant_us)
        watch = self._watch(tenant)
        watch.mark(month, chosen)
        watch.mark_since(month, chosen)
        self._stale.add(tenant)

    def touch_since(self, tenant: str, month: Month) -> None:
        """Everything of a tenant may have changed from a month on, as far back as is told again."""
        self._watch(tenant).mark_since(month, SECTIONS)
        self._stale.add(tenant)

    def touch_all(self, sections: Iterable[int], instant_us: int) -> None:
        """Something about the platform changed from an instant on, which concerns every tenant."""
        for tenant in self._ledger.names:
            self.touch(tenant, sections, instant_us)

    def resume(self, latest_us: int, open_since: str | None) -> None:
        """Take up a former life: the months that were open then are looked at again."""
        for tenant in self._ledger.names:
            watch, month = self._watch(tenant), self._month(tenant, latest_us).previous()
            if open_since is not None:
                watch.measured = Month.parse(open_since)
                month = min(month, watch.measured)
            self.touch_since(tenant, month)
            watch.first = self._first(tenant)

    def run(self, now_us: int, watermark_us: int) -> Iterator[Outgoing]:
        """Measure what is due and yield what is news.

        Args:
            now_us: event time reached; 0 before the first event, when nothing is measured.
            watermark_us: event time before which no event is expected any more.
        """
        if now_us <= 0:
            return
        self._notice_due(watermark_us)
        for tenant in sorted(self._stale):
            yield from self._tenant(tenant, now_us, watermark_us)
        self._stale.clear()
        soonest = (watch.soonest_us() for watch in self._watches.values())
        self._soonest_us = min((at for at in soonest if at is not None), default=None)

    def is_due(self, now_us: int, watermark_us: int) -> bool:
        """Whether `run` would measure anything."""
        if now_us <= 0:
            return False
        return bool(self._stale) or (
            self._soonest_us is not None and self._soonest_us <= watermark_us
        )

    def _watch(self, tenant: str) -> _Watch:
        return self._watches.setdefault(tenant, _Watch())

    def _notice_due(self, watermark_us: int) -> None:
        if self._soonest_us is None or self._soonest_us > watermark_us:
            return
        for tenant, watch in self._watches.items():
            for month, dues in watch.due_us.items():
                due = [section for section, at in dues.items() if at <= watermark_us]
                if due:
                    watch.mark(month, due)
                    self._stale.add(tenant)

    def _tenant(self, tenant: str, now_us: int, watermark_us: int) -> Iterator[Outgoing]:
        watch, present = self._watch(tenant), self._month(tenant, now_us)
        first, platform_us = self._first(tenant), self._ledger.platform.since_us
        if first is not None and (watch.first is None or first < watch.first):
            # Its months begin earlier than was known: every section of them is to be told.
            watch.first = first
            watch.mark(first, SECTIONS)
            watch.mark_since(first, SECTIONS)
        platform = None if platform_us is None else self._month(tenant, platform_us)
        known = min(each for each in (first, platform, present) if each is not None)
        stale = watch.take_stale(present, known)
        for month, sections in stale.items():
            found = [
                *self._ledger.findings(tenant, month, now_us, sections & PROMPT),
                *self._ledger.findings(tenant, month, watermark_us, sections & PATIENT),
            ]
            yield from self.feed.tell(found, now_us)
            self._note_due(watch, month, found, sections, watermark_us)
        if stale.get(present, frozenset()) & {1, 3}:
            yield from self._observations.tell(tenant, present, now_us)

    def _note_due(
        self,
        watch: _Watch,
        month: Month,
        found: list[Finding],
        sections: set[int],
        watermark_us: int,
    ) -> None:
        dues = watch.due_us.setdefault(month, {})
        for section in sections:
            dues.pop(section, None)
        for finding in found:
            # Without data only an event changes anything, but for what the month's end settles.
            turn = finding.measure.next_us if finding.measure.has_data else None
            section = finding.term.section
            for at in (turn, finding.governed.period.end_us):
                if at is not None and at > watermark_us:
                    dues[section] = min(at, dues.get(section, at))
        if not dues:
            del watch.due_us[month]

    def _first(self, tenant: str) -> Month | None:
        """The month of the tenant's earliest event."""
        first_us = self._ledger.first_us(tenant)
        return None if first_us is None else self._month(tenant, first_us)

    def _month(self, tenant: str, instant_us: int) -> Month:
        versions = self._ledger.versions(tenant)
        return month_at(versions, instant_us) if versions else month_of(instant_us)
