"""Everything a scope knows, and every indicator measured from it in the order of the agreement."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

from mailsla.schemas.calendars import Calendars
from mailsla.schemas.contract import Contract
from mailsla.schemas.facts.fact import Fact
from mailsla.streams.clauses.facts.base import Facts, FirstHeard
from mailsla.streams.clauses.facts.billing import BillingFacts, BillingRegister
from mailsla.streams.clauses.facts.ops import OpsFacts
from mailsla.streams.clauses.facts.probes import ProbeFacts
from mailsla.streams.clauses.model.connectivity_timeline import Reading, TimelineCache
from mailsla.streams.clauses.model.contracts import Governed
from mailsla.streams.clauses.model.exclusions import Exclusions
from mailsla.streams.clauses.model.measure import Measure, View
from mailsla.streams.clauses.sections import (
    antispam,
    antivirus,
    backup,
    connectivity,
    operations,
    provisioning,
    security,
    support,
)
from mailsla.streams.clauses.sections.antispam import AbuseFacts
from mailsla.streams.clauses.sections.antivirus import AntivirusFacts
from mailsla.streams.clauses.sections.backup import BackupFacts
from mailsla.streams.clauses.sections.security import SecurityFacts
from mailsla.streams.clauses.sections.support import SupportFacts
from mailsla.streams.time.calendar import Period

_F = TypeVar("_F", bound=Facts)
_KINDS: Final[tuple[type[Facts], ...]] = (
    ProbeFacts,
    OpsFacts,
    AbuseFacts,
    AntivirusFacts,
    BackupFacts,
    BillingFacts,
    SupportFacts,
    SecurityFacts,
)
_NO_PROBES: Final = ProbeFacts()
"""Stands for every tenant that is probed only through the platform."""


def reach_of_topic(topic: str) -> int:
    """How long before a month a fact of a topic can matter to it, µs."""
    return max((facts.reach_us for facts in _KINDS if facts.topic == topic), default=0)


class Scope:
    """The facts of one tenant, or of the platform ``*``, about sections 1 and 3 to 9.

    The result does not depend on the order of `observe`. Messages (section 2) are kept elsewhere.
    """

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self.probes = ProbeFacts()
        self.ops = OpsFacts()
        self.abuse = AbuseFacts()
        self.antivirus = AntivirusFacts()
        self.backup = BackupFacts()
        self.billing = BillingFacts()
        self.support = SupportFacts()
        self.security = SecurityFacts()
        self.timelines = TimelineCache()
        self._of_clauses = {kind: kind() for clause in CLAUSES for kind in clause.facts}
        self._facts: tuple[Facts, ...] = (
            self.probes,
            self.ops,
            self.abuse,
            self.antivirus,
            self.backup,
            self.billing,
            self.support,
            self.security,
            *self._of_clauses.values(),
        )
        self._by_topic: dict[str, list[Facts]] = {}
        for facts in self._facts:
            self._by_topic.setdefault(facts.topic, []).append(facts)

    def facts(self, kind: type[_F]) -> _F:
        """The facts that a clause brought with it (`Clause.facts`)."""
        return cast(_F, self._of_clauses[kind])

    def observe(self, fact: Fact) -> None:
        """Take a fact of this scope that was not taken before."""
        for facts in self._by_topic[fact.topic]:
            facts.observe(fact)

    def renew(self, topic: str, facts: Iterable[Fact]) -> Iterator[None]:
        """Take the facts of a topic anew, in the place of all of it that was taken before.

        Yields after each, where others may have a turn; nobody may read the scope meanwhile.
        """
        for each in self._by_topic[topic]:
            each.start_over()
        for fact in facts:
            self.observe(fact)
            yield

    def forget(self, before_us: int) -> None:
        """Drop the facts that no month beginning at or after ``before_us`` can need."""
        for facts in self._facts:
            facts.forget(before_us)

    def long_ago(self) -> dict[str, list[FirstHeard]]:
        """What `forget` left of each topic (`Facts.long_ago`), for `remember`."""
        return {
            topic: [facts.long_ago for facts in own]
            for topic, own in self._by_topic.items()
            if any(facts.long_ago[0] is not None for facts in own)
        }

    def remember(self, long_ago: Mapping[str, Sequence[FirstHeard]]) -> None:
        """Take up what `long_ago` gave."""
        for topic, firsts in long_ago.items():
            for facts, first in zip(self._by_topic[topic], firsts, strict=True):
                facts.remember(first)

    @property
    def first_us(self) -> int | None:
        """Earliest event time of all topics."""
        firsts = (facts.first_us for facts in self._facts)
        return min((first for first in firsts if first is not None), default=None)

    @property
    def version(self) -> int:
        """Grows with every change."""
        return sum(facts.version for facts in self._facts)


@dataclass(frozen=True, slots=True)
class Context:
    """What a tenant-month is measured from.

    Args:
        own: the tenant's facts.
        platform: the platform's facts.
        governed: the contract that judges the month, and its active part.
        now_us: event time up to which things are known; the month's end or later once closed.
        register: charges and billing errors of the whole platform.
        calendars: the working days by the names that contracts give.

    """

    own: Scope
    platform: Scope
    governed: Governed
    now_us: int
    register: BillingRegister = field(default_factory=BillingRegister)
    calendars: Calendars = field(default_factory=Calendars)

    @property
    def contract(self) -> Contract:
        """The governing contract."""
        return self.governed.contract

    @property
    def period(self) -> Period:
        """The active part of the month."""
        return self.governed.period

    def view(self) -> View:
        """From where the clauses look, with the exclusions that concern the tenant."""
        registers = (self.own.ops.exclusions, self.platform.ops.exclusions)
        return View(
            self.contract,
            self.period,
            self.now_us,
            Exclusions.of(registers).limited(self.contract.profile, self.period.zone),
            self.governed.versions,
            self.governed.heard_until_us,
            self.calendars,
        )

    def reading(self) -> Reading:
        """The tenant's connectivity: by probes, and down while an outage is declared."""
        probed, declared = self._probed(), self._declared_outages()
        return probed.with_outages(declared) if declared else probed

    def _probed(self) -> Reading:
        """Connectivity by probes; without any of its own a tenant shares the platform's."""
        factor = self.contract.profile.probe_hold_factor
        if self.own.probes.probed:
            return self.own.timelines.reading(self.own.probes, self.platform.probes, factor)
        return self.platform.timelines.reading(_NO_PROBES, self.platform.probes, factor)

    def _declared_outages(self) -> list[tuple[int, int]]:
        profile = self.contract.profile
        return [
            (each.starts_us, each.ends_us)
            for scope in (self.own, self.platform)
            for each in scope.ops.outages.in_force()
            if each.counts("outage", profile)
        ]


@dataclass(frozen=True, slots=True)
class Clause:
    """How some indicators of one section are measured.

    ``facts`` are kinds of facts that only this clause needs; every scope then keeps them.
    """

    section: int
    indicators: tuple[str, ...]
    measure: Callable[[Context, View], list[Measure]]
    facts: tuple[type[Facts], ...] = ()


CLAUSES: Final = (
    Clause(
        1,
        connectivity.INDICATORS,
        lambda context, view: connectivity.measure(context.reading(), view),
    ),
    Clause(3, operations.INDICATORS, lambda context, view: _operations(context, view)),
    Clause(
        4,
        antispam.INDICATORS,
        lambda context, view: antispam.measure(context.own.abuse, context.platform.abuse, view),
    ),
    Clause(
        5,
        antivirus.INDICATORS,
        lambda context, view: antivirus.measure(
            context.own.antivirus, context.platform.antivirus, view
        ),
    ),
    Clause(
        6,
        security.INDICATORS,
        lambda context, view: security.measure(context.own.security, view),
    ),
    Clause(
        7,
        backup.INDICATORS,
        lambda context, view: backup.measure(context.own.backup, context.platform.backup, view),
    ),
    Clause(
        8,
        provisioning.INDICATORS,
        lambda context, view: provisioning.measure(context.own.billing, view),
    ),
    Clause(
        9,
        support.INDICATORS,
        lambda context, view: support.measure(context.own.support, context.platform.support, view),
    ),
)
"""Every section but 2, whose arithmetic is done in columns (`sections.latency` judges it)."""


def _operations(context: Context, view: View) -> list[Measure]:
    own, platform = context.own, context.platform
    found = {
        each.indicator: each
        for each in (
            *operations.measure(own.ops, platform.ops, view),
            *operations.measure_billing(context.register, view),
            *operations.measure_pages(own.probes, platform.probes, view),
        )
    }
    return [found[indicator] for indicator in operations.INDICATORS]


def measure(context: Context, sections: Iterable[int] | None = None) -> list[Measure]:
    """Measure the indicators of a tenant-month, in the order of the agreement.

    Args:
        context: what is known of the tenant-month.
        sections: the sections to measure; all but 2 where not given.
    """
    wanted = None if sections is None else frozenset(sections)
    view = context.view()
    return [
        each
        for clause in CLAUSES
        if wanted is None or clause.section in wanted
        for each in clause.measure(context, view)
    ]
