"""Times for which the provider is not liable (contract, exclusions)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from schemas.contract import Profile
from streams.clauses.facts import Fact
from streams.windows.intervals import EMPTY, IntervalSet

CONNECTIVITY, LATENCY, OPERATIONS = 1, 2, 3
"""The sections that know exclusions."""


@dataclass(frozen=True, order=True, slots=True)
class Declaration:
    """One declared exclusion ``[starts_us, ends_us)``; the greatest of an identity counts."""

    time_us: int
    source: str
    id: str
    code: str = field(compare=False)
    starts_us: int = field(compare=False)
    ends_us: int = field(compare=False)
    sections: frozenset[int] | None = field(compare=False)
    consented: bool = field(compare=False)

    @property
    def excuses(self) -> bool:
        """Whether it excludes anything: maintenance needs the customer's recorded consent."""
        return self.starts_us < self.ends_us and (
            self.consented or self.code != "agreed_maintenance"
        )

    def applies(self, section: int, profile: Profile) -> bool:
        """Whether it excuses failures of a section under a contract's readings."""
        if section == OPERATIONS:
            in_scope = self.sections is None or OPERATIONS in self.sections
            return in_scope and self.code in profile.operations_exclusions
        if self.sections is not None:
            return section in self.sections
        return section == LATENCY or (section == CONNECTIVITY and self.code != "foreign_system")


class ExclusionRegister:
    """Declared and revoked exclusions of one scope, whatever the order they come in."""

    def __init__(self) -> None:
        self._declared: dict[str, Declaration] = {}
        self._revoked: dict[str, int] = {}
        self._first_start: dict[str, int] = {}

    def declare(self, fact: Fact) -> None:
        """Take an ``exclusion.declared``; the latest declaration of an identity counts."""
        sections = fact.get("sections")
        declaration = Declaration(
            fact["time"],
            fact["source"],
            fact["id"],
            fact["code"],
            fact["starts_at"],
            fact["ends_at"],
            None if sections is None else frozenset(sections),
            bool(fact.get("consent_ref")),
        )
        name = fact["exclusion_id"]
        known = self._declared.get(name)
        if known is None or known < declaration:
            self._declared[name] = declaration
        first = self._first_start.get(name, declaration.starts_us)
        self._first_start[name] = min(first, declaration.starts_us)

    def revoke(self, fact: Fact) -> None:
        """Take an ``exclusion.revoked``; it takes back every declaration up to its time."""
        name = fact["exclusion_id"]
        self._revoked[name] = max(fact["time"], self._revoked.get(name, fact["time"]))

    def first_start(self, exclusion_id: str) -> int | None:
        """The earliest start an exclusion was ever declared with, revoked or replaced or not."""
        return self._first_start.get(exclusion_id)

    def in_force(self) -> Iterator[Declaration]:
        """The declarations that are not revoked and exclude something."""
        for name, declaration in self._declared.items():
            revoked_us = self._revoked.get(name)
            taken_back = revoked_us is not None and revoked_us >= declaration.time_us
            if declaration.excuses and not taken_back:
                yield declaration

    def forget(self, before_us: int) -> None:
        """Drop exclusions that ended, and were declared and revoked, before an instant."""
        done = [
            name
            for name, each in self._declared.items()
            if max(each.ends_us, each.time_us, self._revoked.get(name, 0)) < before_us
        ]
        for name in done:
            del self._declared[name], self._first_start[name]
            self._revoked.pop(name, None)
        stray = [
            name
            for name, time_us in self._revoked.items()
            if time_us < before_us and name not in self._declared
        ]
        for name in stray:
            del self._revoked[name]


@dataclass(frozen=True, slots=True)
class Exclusions:
    """The exclusions that concern one tenant: its own and the platform's, not revoked."""

    declarations: tuple[Declaration, ...] = ()

    @classmethod
    def of(cls, registers: Iterable[ExclusionRegister]) -> "Exclusions":
        """What several scopes have in force together."""
        return cls(tuple(each for register in registers for each in register.in_force()))

    def intervals(self, section: int, profile: Profile) -> IntervalSet:
        """The excluded time of a section, microseconds."""
        pairs = [
            (each.starts_us, each.ends_us)
            for each in self.declarations
            if each.applies(section, profile)
        ]
        return IntervalSet.of(pairs) if pairs else EMPTY

    def leaves_out(
        self, accepted_us: int, finished_us: int, liability: str | None, profile: Profile
    ) -> bool:
        """Whether section 2 leaves a message out.

        Its own event names a cause, or it was in the system while an exclusion was in force:
        ``accepted < ends`` and ``finished >= starts``. An unfinished message has
        `streams.windows.intervals.FOREVER` as its ``finished_us``.
        """
        if liability is not None:
            return True
        return any(
            accepted_us < each.ends_us and finished_us >= each.starts_us
            for each in self.declarations
            if each.applies(LATENCY, profile)
        )


NO_EXCLUSIONS = Exclusions()
