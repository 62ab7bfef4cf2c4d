"""Which sections were looked at, or changed, since they were published last."""

from collections.abc import Iterable

from mailsla.streams.time.calendar import Month


class Unpublished:
    """Those of the tenants of one task."""

    def __init__(self) -> None:
        self._noted: dict[str, dict[Month, set[int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._noted)

    def note(self, tenant: str, month: Month, sections: Iterable[int]) -> None:
        """Some sections of a tenant-month are to be published."""
        self._noted.setdefault(tenant, {}).setdefault(month, set()).update(sections)

    def take(self) -> dict[str, dict[Month, set[int]]]:
        """Tenant → month → sections; none of them is to be published any more."""
        taken, self._noted = self._noted, {}
        return taken
