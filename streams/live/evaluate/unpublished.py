"""Which sections were looked at, or changed, since they were published last."""

from collections.abc import Iterable, Sequence

from mailsla.streams.live.evaluate.groups import Group
from mailsla.streams.time.calendar import Month


class Unpublished:
    """Those of the tenants of one task.

    Args:
        groups: all of them, by number.

    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self._noted: dict[str, dict[Month, set[int]]] = {}
        self._of_groups: dict[int, dict[Month, set[int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._noted or self._of_groups)

    def note(self, tenant: str, month: Month, sections: Iterable[int]) -> None:
        """Some sections of a tenant-month are to be published."""
        self._noted.setdefault(tenant, {}).setdefault(month, set()).update(sections)

    def note_group(self, number: int, month: Month, sections: Iterable[int]) -> None:
        """The same of every tenant of a group."""
        self._of_groups.setdefault(number, {}).setdefault(month, set()).update(sections)

    def leave(self, tenant: str, number: int) -> None:
        """A tenant leaves a group: what is noted of it goes along."""
        for month, sections in self._of_groups.get(number, {}).items():
            self.note(tenant, month, sections)

    def take(self) -> list[tuple[str, dict[Month, set[int]]]]:
        """Each tenant with its months and their sections; nothing is to be published any more."""
        noted, self._noted = self._noted, {}
        groups, self._of_groups = self._of_groups, {}
        found = []
        for number, months in groups.items():
            tenants = self._groups[number].tenants
            for tenant, own in noted.items():
                if tenant in tenants:
                    for month, sections in months.items():
                        own.setdefault(month, set()).update(sections)
            found += [(tenant, months) for tenant in tenants if tenant not in noted]
        return [*noted.items(), *found]
