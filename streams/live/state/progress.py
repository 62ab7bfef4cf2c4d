"""What sources say of how far their logs are published, held back until all before it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mailsla.streams.live.state.latency import Latency
from mailsla.streams.time.clock import MICROS, QUIET_US, SKEW_CAP_US


class Progress(NamedTuple):
    """Everything that happened at a source up to an instant is published; when the broker heard."""

    of: str
    to_us: int
    heard_us: int


@dataclass(frozen=True, slots=True)
class _Said:
    """The same, and when this task heard of it, monotonic."""

    to_us: int
    heard_us: int
    at_s: float


class KnownProgress:
    """The ``source.progress`` of one task.

    It comes by another way than the mail it speaks of, and may overtake it: it counts once mail
    that the broker received later has been applied, or once no more mail waits.

    Args:
        latency: whose sources they are.
        known: what each source has said so far.

    """

    def __init__(self, latency: Latency, known: Mapping[str, Progress]) -> None:
        self._latency = latency
        self._said: dict[str, _Said] = {}
        self._heard_us = 0
        """When the broker received the last of it, of any source."""
        for progress in known.values():
            self.say(progress, 0.0)

    def say(self, progress: Progress, now_s: float) -> None:
        """A source says how far its log is published; ``now_s`` is the present time, monotonic.

        Whatever its clock says, that is not beyond the present.
        """
        of, heard_us = progress.of, progress.heard_us
        to_us = min(progress.to_us, heard_us + SKEW_CAP_US)
        self._latency.sources.says(of)
        self._heard_us = max(heard_us, self._heard_us)
        known = self._said.get(of)
        if known is None or to_us >= known.to_us:
            self._said[of] = _Said(to_us, heard_us, now_s)

    def holds_back(self, source: int) -> bool:
        """Whether there is word of a source, by number, that does not count yet: it is not silent.

        A worker that catches up, or has started again, knows the last word of each source long
        before it has applied the mail of that time.
        """
        return self._latency.sources.names[source] in self._said

    def take(self, now_s: float, idle: bool) -> list[int]:
        """The sources of which more is known now, by number.

        Args:
            now_s: the present time, monotonic.
            idle: whether all mail that had come by the last look is applied.

        """
        sources, moved = self._latency.sources, []
        for name, said in list(self._said.items()):
            if self._latency.heard_us >= said.heard_us or (
                idle and now_s >= said.at_s + QUIET_US / MICROS
            ):
                del self._said[name]
                source = sources.progress(name, said.to_us, said.heard_us)
                if source is not None:
                    moved.append(source)
        # Who spoke before, and says nothing while others do, is taken to go on as well.
        hushed = sources.hushed(min(self._latency.heard_us, self._heard_us))
        return moved + [
            one
            for one in hushed
            if not self.holds_back(one) and sources.go_on(one, self._latency.clock_us)
        ]
