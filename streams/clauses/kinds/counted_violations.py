"""Violations counted once per identity (a message, a backup, an account, an incident)."""

from bisect import bisect_left, insort


class Identities:
    """When something happened to which identity; each counts once however often it happened."""

    def __init__(self) -> None:
        self._marks: dict[tuple[str, ...], list[tuple[int, str]]] = {}
        self._within: tuple[int, int, list[str]] | None = None

    def add(self, identity: tuple[str, ...], time_us: int, label: str) -> None:
        """Remember that it happened to an identity."""
        insort(self._marks.setdefault(identity, []), (time_us, label))
        self._within = None

    def within(self, start_us: int, end_us: int) -> list[str]:
        """The identities to which it happened in ``[start, end)``.

        Each is named by the label of its first time there, in time order.
        """
        if self._within is None or self._within[:2] != (start_us, end_us):
            firsts = []
            for marks in self._marks.values():
                place = bisect_left(marks, (start_us, ""))
                if place < len(marks) and marks[place][0] < end_us:
                    firsts.append(marks[place])
            self._within = (start_us, end_us, [label for _, label in sorted(firsts)])
        return self._within[2]

    def forget(self, before_us: int) -> None:
        """Drop what happened before an instant."""
        kept = {
            identity: marks[bisect_left(marks, (before_us, "")) :]
            for identity, marks in self._marks.items()
        }
        self._marks = {identity: marks for identity, marks in kept.items() if marks}
        self._within = None
