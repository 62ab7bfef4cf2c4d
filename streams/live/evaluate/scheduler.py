"""Which tenants to measure when, and what of it is news.

A section of a tenant is measured when an event touched it, and when the event clock reaches an
instant at which a value changes by itself (a deadline, a day's end, the month's end). Both are
places of the log, so the same log gives the same news however it is cut into batches.
"""

from collections.abc import Collection, Iterable, Iterator
from heapq import heappop, heappush
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from schemas.contract import DEFAULT_TIMEZONE
from streams.clauses.burn import MARK_US, burns, next_mark_us
from streams.clauses.contracts import month_at
from streams.clauses.exclusions import CONNECTIVITY, LATENCY
from streams.live.evaluate.assessment import Finding
from streams.live.evaluate.dirty_sections import SECTIONS, Watch
from streams.live.evaluate.latency_transitions import WAYS, note_margin, path
from streams.live.publish.breach_feed import Feed, key_of
from streams.live.publish.windows import Observations
from streams.live.state.tenants import Ledger, month_of
from streams.runtime.delivery import Outgoing
from streams.windows.calendar import SECOND, Month, midnight
from streams.windows.intervals import IntervalSet
from streams.windows.steps import Steps

PATIENT: Final = frozenset({4, 5, 7, 8})
"""Sections whose violations are absences: they wait a little for what may be on its way."""
PROMPT: Final = SECTIONS - PATIENT
PATIENCE_US: Final = 15 * SECOND
"""How long: what is absent is told within 30 s of its deadline; to this come the time after which
a partition is idle, the platform's clock and the checkpoint."""
NO_LIMIT: Final = 2**62
_DEFAULT_ZONE: Final = ZoneInfo(DEFAULT_TIMEZONE)

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

_Due = tuple[int, str, Month, int]


class Evaluation:
    """Measures the tenants of a task and tells what changed.

    ``position_us`` is the event time of the place of the log that was reached: that of its
    records, or of the last instant since at which something was due. ``patient_us`` is that up
    to which nothing is expected to come any more. ``mail_us`` is that up to which messages are
    known, and ``mail_reach_us`` how far that may go: topics are not read in step, and a message
    whose finish has still to be read is not stuck.
    """

    def __init__(self, ledger: Ledger, partition: int) -> None:
        self._ledger = ledger
        self.feed = Feed(partition)
        self.position_us = 0
        self.patient_us = 0
        self.mail_us = 0
        self.mail_reach_us = NO_LIMIT
        self.down_until_us: dict[str, int] = {}
        """Until when each tenant was ever seen, or foreseen, to be disconnected."""
        self._observations = Observations(ledger, partition)
        self._watches: dict[str, Watch] = {}
        self.urgent: set[str] = set()
        """Tenants whose news does not wait for a look at everybody."""
        self._stale: set[str] = set()
        self._unshown: set[str] = set()
        self._prompt: list[_Due] = []
        self._patient: list[_Due] = []
        self._mail: list[_Due] = []

    @property
    def open_since(self) -> Month | None:
        """The earliest month in which something is still to change by itself."""
        return min(
            (month for watch in self._watches.values() for month in watch.due_us), default=None
        )

    def is_new(self, tenant: str) -> bool:
        """Whether a tenant was never looked at."""
        watch = self._watches.get(tenant)
        return watch is None or watch.present is None

    def is_broken(self, tenant: str, indicator: str, instant_us: int) -> bool:
        """Whether an indicator was last seen breached in the month of an instant."""
        month = self._month(tenant, instant_us).label
        return self.feed.present((tenant, indicator, month)) == "breached"

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

    def meet(self, tenant: str, at_us: int) -> None:
        """A tenant has come up; it is looked at by the end of its month at the latest."""
        if self.is_new(tenant):
            self._await_next(tenant, self._month(tenant, at_us), at_us)

    def expect(self, tenant: str, accepted_us: int, at_us: int) -> None:
        """A message accepted at an instant is in flight; it is to be looked at again by then."""
        self._due(tenant, self._month(tenant, accepted_us), LATENCY, at_us)

    def know_mail(self, mail_waits: bool) -> None:
        """Messages are known up to the last one read while others wait, else as far as anything."""
        if mail_waits:
            self.mail_reach_us = self.mail_us
        else:
            self.mail_us, self.mail_reach_us = max(self.mail_us, self.position_us), NO_LIMIT

    def resume(self, latest_us: int, open_since: str | None) -> None:
        """Take up a former life: the months that were open then are looked at again."""
        for tenant in self._ledger.names:
            watch, month = self._watch(tenant), self._month(tenant, latest_us).previous()
            if open_since is not None:
                watch.measured = Month.parse(open_since)
                month = min(month, watch.measured)
            self.touch_since(tenant, month)
            watch.first = self._first(tenant)

    def soonest_us(self, reach_us: int) -> int | None:
        """The next instant at which something changes by itself.

        Args:
            reach_us: event time up to which the platform's events are known; what may be absent
                is not looked at beyond.

        """
        prompt, patient = self._top(self._prompt), self._top(self._patient)
        if patient is not None and patient > reach_us:
            patient = None
        mail = self._top(self._mail)
        if mail is not None and mail > self.mail_reach_us:
            mail = None
        return min((at for at in (prompt, patient, mail) if at is not None), default=None)

    def advance(self, to_us: int, reach_us: int) -> Iterator[Outgoing]:
        """Look at everything that is due up to an event time, one instant after the other."""
        limit_us = self.mail_reach_us
        while (at := self.soonest_us(reach_us)) is not None and at <= to_us:
            self.mail_reach_us = limit_us if limit_us == NO_LIMIT else min(limit_us, at)
            fired = [*self._take_due(self._prompt, at), *self._take_due(self._patient, at)]
            fired += self._take_due(self._mail, min(self.mail_reach_us, at))
            followed = {tenant for tenant, _, section in fired if section == LATENCY}
            # What came before is followed message by message from where it stood just before.
            for tenant in sorted(self._stale & followed):
                self._unshown.add(tenant)
                yield from self._look(tenant, at - 1, reach_us, show=False)
            self.position_us = max(self.position_us, at)
            for tenant, month, section in fired:
                self._watches[tenant].mark(month, {section})
                self._stale.add(tenant)
            yield from self.settle([tenant for tenant, _, _ in fired], reach_us)
            self.mail_reach_us = limit_us

    def _take_due(self, dues: list[_Due], at_us: int) -> Iterator[tuple[str, Month, int]]:
        while (top := self._top(dues)) is not None and top <= at_us:
            _, tenant, month, section = heappop(dues)
            opened = self._watches[tenant].due_us
            del opened[month][section]
            if not opened[month]:
                del opened[month]
            yield tenant, month, section

    def settle(self, tenants: Collection[str], reach_us: int) -> Iterator[Outgoing]:
        """Look at what is stale of some tenants at this place of the log, if any was reached."""
        if self.position_us <= 0:
            return
        chosen = sorted(self._stale.intersection(tenants))
        self._ledger.steps.sort(len(chosen))
        for tenant in chosen:
            self._stale.discard(tenant)
            self._unshown.add(tenant)
            yield from self._look(tenant, self.position_us, reach_us, show=False)

    def run(self, now_us: int, reach_us: int, everybody: bool = True) -> Iterator[Outgoing]:
        """Look at what is stale or due, and show what changed since the last time.

        Args:
            now_us: event time reached; 0 before the first event, when nothing is measured.
            reach_us: event time up to which the platform's events are known.
            everybody: or only who is urgent, and of whom something may have come and gone; of
                the others nothing but the present value has changed, which is shown later.

        """
        if now_us <= 0:
            return
        yield from self.advance(now_us, reach_us)
        chosen = self._stale | self._unshown
        if not everybody:
            chosen &= self.urgent | self._in_danger()
        self._ledger.steps.sort(len(chosen))
        for tenant in sorted(chosen):
            self._watch(tenant).mark_unshown()
            yield from self._look(tenant, now_us, reach_us, show=True)
        if everybody:
            self._ledger.steps.clear()
        self._stale -= chosen
        self._unshown -= chosen
        self.urgent.clear()

    def _in_danger(self) -> set[str]:
        """Tenants whose steps since they were looked at must not be forgotten unseen."""
        codes = np.unique(self._ledger.margins.in_danger() // 2).tolist()
        return {self._ledger.names[code] for code in codes if code < len(self._ledger.names)}

    def is_due(self, now_us: int, reach_us: int, everybody: bool = True) -> bool:
        """Whether `run` would measure anything."""
        if now_us <= 0:
            return False
        soonest = self.soonest_us(reach_us)
        waiting = self._stale | self._unshown if everybody else self.urgent
        return bool(waiting) or (soonest is not None and soonest <= now_us)

    def _watch(self, tenant: str) -> Watch:
        return self._watches.setdefault(tenant, Watch())

    def _top(self, dues: list[_Due]) -> int | None:
        """The earliest due instant that still holds."""
        while dues:
            at, tenant, month, section = dues[0]
            if self._watches[tenant].due_us.get(month, {}).get(section) == at:
                return at
            heappop(dues)
        return None

    def _due(self, tenant: str, month: Month, section: int, at_us: int) -> None:
        dues = self._watch(tenant).due_us.setdefault(month, {})
        if at_us < dues.get(section, NO_LIMIT):
            dues[section] = at_us
            heap = self._patient if section in PATIENT else self._prompt
            heappush(self._mail if section == LATENCY else heap, (at_us, tenant, month, section))

    def _look(self, tenant: str, now_us: int, reach_us: int, show: bool) -> Iterator[Outgoing]:
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
        self.patient_us = max(self.patient_us, min(now_us, reach_us) - PATIENCE_US)
        self.mail_us = max(self.mail_us, min(now_us, self.mail_reach_us))
        steps = self._ledger.steps.take(self._ledger.code(tenant))
        for month, sections in stale.items():
            dues = watch.due_us.get(month, {})
            for section in sections:
                dues.pop(section, None)
            for chosen, at_us in self._clocks(now_us):
                for finding in self._findings(tenant, month, at_us, sections & chosen):
                    yield from self._turn(finding, steps, at_us)
                    if show:
                        yield from self.feed.show(finding, now_us, _is_over(finding, at_us))
                    self._note_due(finding, at_us)
            if not watch.due_us.get(month, True):
                del watch.due_us[month]
            if not show:
                watch.unshown.setdefault(month, set()).update(sections)
        self._await_next(tenant, present, now_us)
        if show and stale.get(present, frozenset()) & {1, 3}:
            yield from self._observations.tell(tenant, present, now_us)

    def _await_next(self, tenant: str, present: Month, now_us: int) -> None:
        """Look again when the next month begins, whatever its zone by then."""
        zones = {each.zone for each in self._ledger.versions(tenant)} | {_DEFAULT_ZONE}
        for begins_us in (midnight(present.end, zone) for zone in zones):
            if begins_us > now_us:
                self._due(tenant, present, CONNECTIVITY, begins_us)

    def _clocks(self, now_us: int) -> Iterator[tuple[frozenset[int], int]]:
        """Sections, and the event time up to which they are known."""
        yield PROMPT - {LATENCY}, now_us
        yield frozenset({LATENCY}), self.mail_us
        yield PATIENT, self.patient_us

    def _findings(
        self, tenant: str, month: Month, at_us: int, sections: Collection[int]
    ) -> Iterable[Finding]:
        return self._ledger.findings(tenant, month, at_us, sections) if sections else ()

    def _turn(self, finding: Finding, steps: Steps, at_us: int) -> Iterator[Outgoing]:
        """Tell what an indicator went through since the last look, and where it stands."""
        if finding.term.section == LATENCY:
            for then, since_us in path(finding, steps, self.feed.present(key_of(finding))):
                yield from self.feed.turn(then, since_us, _is_over(then, since_us))
            if (way := WAYS.get(finding.measure.indicator)) is not None:
                series = 2 * self._ledger.code(finding.tenant_id) + way
                note_margin(self._ledger.margins, series, finding)
        turned_us = self.position_us
        if finding.term.section == LATENCY:
            turned_us = min(turned_us, self.mail_us)
        yield from self.feed.turn(finding, turned_us, _is_over(finding, at_us))
        spent = finding.measure.spent
        if spent is not None:
            if finding.term.section == CONNECTIVITY and len(spent):
                known_us = self.down_until_us.get(finding.tenant_id, 0)
                self.down_until_us[finding.tenant_id] = max(known_us, int(spent.ends[-1]))
            yield from self._burn(finding, spent)

    def _burn(self, finding: Finding, spent: IntervalSet) -> Iterator[Outgoing]:
        """Tell how fast a budget of time is spent, at marks of event time while it may be."""
        measure, governed, now_us = finding.measure, finding.governed, self.position_us
        if len(spent) == 0 and not self.feed.is_burning(finding):
            return
        if now_us % MARK_US == 0:
            yield from self.feed.burn(finding, burns(measure, governed, now_us), now_us)
        burning = self.feed.is_burning(finding)
        mark_us = next_mark_us(measure, governed, burning, now_us)
        if mark_us is not None:
            self._due(finding.tenant_id, finding.month, finding.term.section, mark_us)

    def _note_due(self, finding: Finding, at_us: int) -> None:
        """Remember when an indicator changes by itself, and when a change has held long enough."""
        section, month = finding.term.section, finding.month
        patience_us = PATIENCE_US if section in PATIENT else 0
        # What is absent is not missed before its source has ever spoken.
        missed = finding.measure.has_data or section in PROMPT
        turn = finding.measure.next_us if missed else None
        for due_us in (turn, finding.governed.period.end_us):
            if due_us is not None and due_us > at_us:
                self._due(finding.tenant_id, month, section, due_us + patience_us)
        held_us = self.feed.due_us(finding)
        if held_us is not None:
            self._due(finding.tenant_id, month, section, held_us)

    def _first(self, tenant: str) -> Month | None:
        """The month of the tenant's earliest event."""
        first_us = self._ledger.first_us(tenant)
        return None if first_us is None else self._month(tenant, first_us)

    def _month(self, tenant: str, instant_us: int) -> Month:
        versions = self._ledger.versions(tenant)
        return month_at(versions, instant_us) if versions else month_of(instant_us)


def _is_over(finding: Finding, at_us: int) -> bool:
    return at_us >= finding.governed.period.end_us
