"""What was said of each exclusion, or of each declared outage, of one scope."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from mailsla.schemas.contract import Profile
from mailsla.streams.time.calendar import DAY

Kind = Literal["exclusion", "outage"]
MAINTENANCE: Final = "agreed_maintenance"

CONNECTIVITY, LATENCY, OPERATIONS = 1, 2, 3
"""The sections that know exclusions."""


@dataclass(frozen=True, order=True, slots=True)
class Declaration:
    """One exclusion or outage ``[starts_us, ends_us)``; the greatest of an identity counts.

    ``approved``: another actor than the one named as its declarer has agreed to it since.
    """

    time_us: int
    source: str
    id: str
    code: str = field(compare=False)
    starts_us: int = field(compare=False)
    ends_us: int = field(compare=False)
    sections: frozenset[int] | None = field(compare=False)
    consented: bool = field(compare=False)
    actor: str = field(compare=False, default="")
    approved: bool = field(compare=False, default=False)

    def counts(self, kind: Kind, profile: Profile) -> bool:
        """Whether a contract lets it count: approved, and announced in time, where it asks so."""
        if kind in profile.approval and not self.approved:
            return False
        if self.code != MAINTENANCE or profile.notice_days == 0:
            return True
        return self.time_us + profile.notice_days * DAY <= self.starts_us

    @property
    def excuses(self) -> bool:
        """Whether it excludes anything: maintenance needs the customer's recorded consent."""
        return self.starts_us < self.ends_us and (self.consented or self.code != MAINTENANCE)

    def applies(self, section: int, profile: Profile) -> bool:
        """Whether it excuses failures of a section under a contract's readings."""
        if not self.counts("exclusion", profile):
            return False
        if section == OPERATIONS:
            in_scope = self.sections is None or OPERATIONS in self.sections
            return in_scope and self.code in profile.operations_exclusions
        if self.sections is not None:
            return section in self.sections
        return section == LATENCY or (section == CONNECTIVITY and self.code != "foreign_system")


class ExclusionRegister:
    """Exclusions of one scope by their names, whatever the order of what was said of them.

    Or its outages: they are declared, approved and revoked in the same way.
    """

    def __init__(self) -> None:
        self._approvals: dict[str, set[tuple[int, str]]] = {}
        self._declared: dict[str, Declaration] = {}
        self._revoked: dict[str, int] = {}
        self._first_start: dict[str, int] = {}
        self._replaced: set[str] = set()
        """What was declared more than once."""

    def declare(self, name: str, declaration: Declaration) -> None:
        """Take a declaration; the latest of a name counts."""
        known = self._declared.get(name)
        if known is not None and known != declaration:
            self._replaced.add(name)
        if known is None or known < declaration:
            self._declared[name] = declaration
        first = self._first_start.get(name, declaration.starts_us)
        self._first_start[name] = min(first, declaration.starts_us)

    def revoke(self, name: str, time_us: int) -> None:
        """Take a revocation; it takes back every declaration up to its time."""
        self._revoked[name] = max(time_us, self._revoked.get(name, time_us))

    def approve(self, name: str, time_us: int, actor: str) -> None:
        """Take an approval."""
        self._approvals.setdefault(name, set()).add((time_us, actor))

    def first_start(self, name: str) -> int | None:
        """The earliest start a name was ever declared with, revoked or replaced or not."""
        return self._first_start.get(name)

    @property
    def takes_back(self) -> bool:
        """Whether anything that was declared is no longer so, as far as it is remembered."""
        return bool(self._replaced or self._revoked)

    def in_force(self) -> Iterator[Declaration]:
        """The declarations that are not revoked and exclude something."""
        for name, declaration in self._declared.items():
            revoked_us = self._revoked.get(name)
            taken_back = revoked_us is not None and revoked_us >= declaration.time_us
            if declaration.excuses and not taken_back:
                approved = self._is_approved(name, declaration)
                yield replace(declaration, approved=True) if approved else declaration

    def _is_approved(self, name: str, declaration: Declaration) -> bool:
        return declaration.actor != "" and any(
            actor != declaration.actor and time_us >= declaration.time_us
            for time_us, actor in self._approvals.get(name, ())
        )

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
            self._approvals.pop(name, None)
            self._replaced.discard(name)
        stray = [
            name
            for name, time_us in self._revoked.items()
            if time_us < before_us and name not in self._declared
        ]
        for name in stray:
            del self._revoked[name]
        for name in self._approvals.keys() - self._declared.keys():
            if max(time_us for time_us, _ in self._approvals[name]) < before_us:
                del self._approvals[name]
