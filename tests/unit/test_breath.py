"""How much a worker does in one go."""

import asyncio
from collections.abc import Iterator

from mailsla.streams.live import breath
from mailsla.streams.live.breath import Breath, Portion


class Machine:
    """Counts time as it passes, and work as it gets done: others use the machine as well."""

    def __init__(self, monkeypatch, share):
        self.time_s = self.work_s = 0.0
        self._share = share
        monkeypatch.setattr(breath, "time", self)
        monkeypatch.setattr(breath, "thread_time", lambda: self.work_s)

    def monotonic(self):
        return self.time_s

    def work(self, seconds) -> Iterator[None]:
        self.work_s += seconds
        self.time_s += seconds / self._share
        yield


def portion_on(monkeypatch, share):
    """The size that a portion comes to; one of 8,000 is 20 ms of work."""
    machine, portion = Machine(monkeypatch, share), Portion(2_000, 250, 8_000)
    breathing = Breath()

    async def live():
        for _ in range(50):
            portion.took(await breathing.through(machine.work(portion.size * 0.02 / 8_000), "work"))

    asyncio.run(live())
    return portion.size


def test_portions_are_as_large_on_a_machine_that_others_use(monkeypatch):
    assert portion_on(monkeypatch, share=1.0) == portion_on(monkeypatch, share=0.1) == 8_000
