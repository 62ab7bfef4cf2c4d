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

    def take(self) -> dict[str, dict[Month, set[int]]]:
        """Tenant → month → sections; none of them is to be published any more."""
        for number, months in self._of_groups.items():
            for tenant in self._groups[number].tenants:
                for month, sections in months.items():
                    self.note(tenant, month, sections)
        self._of_groups = {}
        taken, self._noted = self._noted, {}
        return taken
