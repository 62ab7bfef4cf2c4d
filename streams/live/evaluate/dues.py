"""When sections are to be looked at: when they change by themselves, and what settles."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush, heapreplace

from mailsla.streams.live.evaluate.dirty_sections import KNOWLEDGE, PATIENT, PROMPT
from mailsla.streams.live.evaluate.groups import Group
from mailsla.streams.time.calendar import Month
from mailsla.streams.time.intervals import FOREVER

_Due = tuple[int, int, Month, int]
"""instant, number of the group, month, section"""


class Dues:
    """Of some sections of all groups; each group's `DirtySections` says what holds.

    Args:
        groups: all of them, by number.
        sections: which.

    """

    def __init__(self, groups: Sequence[Group], sections: frozenset[int]) -> None:
        self._groups, self._sections = groups, sections
        self._heap: list[_Due] = []

    def note(self, number: int, month: Month, section: int, at_us: int) -> None:
        """A section is to be looked at by an instant at the latest."""
        dues = self._groups[number].dirty.due_us.setdefault(month, {})
        if at_us < dues.get(section, FOREVER):
            dues[section] = at_us
            heappush(self._heap, (at_us, number, month, section))

    def watch(self, number: int) -> None:
        """Take what is due of a group as its `DirtySections` has it."""
        for month, dues in self._groups[number].dirty.due_us.items():
            for section in dues.keys() & self._sections:
                heappush(self._heap, (dues[section], number, month, section))

    def top(self) -> int | None:
        """The earliest instant that still holds."""
        while self._heap:
            at_us, number, month, section = self._heap[0]
            if self._groups[number].dirty.due_us.get(month, {}).get(section) == at_us:
                return at_us
            heappop(self._heap)
        return None

    def put_off(self, to_us: int, until_us: Callable[[int, Month], int]) -> None:
        """Put off what is due by an instant where it holds for longer by now.

        Args:
            to_us: the instant.
            until_us: number of the group, month → until when it holds.

        """
        while (at_us := self.top()) is not None and at_us <= to_us:
            _, number, month, section = self._heap[0]
            later_us = until_us(number, month)
            if later_us <= at_us:
                return
            self._groups[number].dirty.due_us[month][section] = later_us
            heapreplace(self._heap, (later_us, number, month, section))

    def bound(self) -> int:
        """No instant that holds is earlier."""
        return self._heap[0][0] if self._heap else FOREVER

    def take(self, at_us: int) -> Iterator[tuple[int, Month, int]]:
        """What is due by an instant: number of the group, month, section."""
        while (top := self.top()) is not None and top <= at_us:
            _, number, month, section = heappop(self._heap)
            opened = self._groups[number].dirty.due_us
            del opened[month][section]
            if not opened[month]:
                del opened[month]
            yield number, month, section


class Timers:
    """When which sections of which groups are to be looked at.

    Args:
        groups: all of them, by number.

    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self._prompt = Dues(groups, PROMPT)
        self._patient = Dues(groups, PATIENT)
        self._knowledge = Dues(groups, frozenset({KNOWLEDGE}))
        self._settling: list[tuple[int, int]] = []
        """An instant, and the number of a group that is not settled before it: a heap."""

    def note(self, number: int, month: Month, section: int, at_us: int) -> None:
        """A section is to be looked at by an instant at the latest."""
        of = {KNOWLEDGE: self._knowledge}
        dues = self._patient if section in PATIENT else of.get(section, self._prompt)
        dues.note(number, month, section, at_us)

    def put_off_knowledge(self, to_us: int, until_us: Callable[[int, Month], int]) -> None:
        """See to it that nobody looks at an end of knowledge that more was heard about since.

        With good results, which come all the time, nothing else has to be done.
        """
        if to_us >= self._knowledge.bound():
            self._knowledge.put_off(to_us, until_us)

    def settle(self, number: int, sections: Iterable[int], now_us: int) -> None:
        """Something earlier became known of some sections: they wait until it has been told."""
        dirty = self._groups[number].dirty
        watched = bool(dirty.settling)
        dirty.settle(sections, now_us)
        if not watched:
            self.watch_settling(number)

    def watch(self, number: int) -> None:
        """Take what is due of a group as its `DirtySections` has it."""
        self._prompt.watch(number)
        self._patient.watch(number)
        self._knowledge.watch(number)
        self.watch_settling(number)

    def watch_settling(self, number: int) -> None:
        """Look at a group when word of the past has waited for long enough, if any waits."""
        settled_us = self._groups[number].dirty.settled_us()
        if settled_us is not None:
            heappush(self._settling, (settled_us, number))

    def top(self, reach_us: int) -> int | None:
        """The earliest instant at which anything is to be looked at.

        Args:
            reach_us: what may be absent is not looked at beyond.

        """
        patient = self._patient.top()
        if patient is not None and patient > reach_us:
            patient = None
        found = self._prompt.top(), self._knowledge.top(), patient, self._settled_us()
        return min((at for at in found if at is not None), default=None)

    def bound(self) -> int:
        """Before it there is surely nothing to look at; cheaper than `top`, which says when."""
        settled_us = self._settling[0][0] if self._settling else FOREVER
        dues = self._prompt, self._patient, self._knowledge
        return min(*(each.bound() for each in dues), settled_us)

    def _settled_us(self) -> int | None:
        """When a group has settled next; what came since puts it off."""
        while self._settling:
            at_us, number = self._settling[0]
            if self._groups[number].dirty.settled_us() == at_us:
                return at_us
            heappop(self._settling)
            self.watch_settling(number)
        return None

    def take(self, at_us: int, reach_us: int) -> Iterator[tuple[int, Month, int]]:
        """What is due by an instant: number of the group, month, section.

        Args:
            at_us: the instant.
            reach_us: what may be absent is not looked at beyond: a look would find nothing new,
                and the same would be due again.

        """
        yield from self._prompt.take(at_us)
        yield from self._knowledge.take(at_us)
        yield from self._patient.take(min(at_us, reach_us))

    def take_settled(self, at_us: int) -> Iterator[int]:
        """The numbers of the groups of which something has settled by an instant."""
        while (settled_us := self._settled_us()) is not None and settled_us <= at_us:
            _, number = heappop(self._settling)
            self._groups[number].dirty.end_settling(at_us)
            self.watch_settling(number)
            yield number
