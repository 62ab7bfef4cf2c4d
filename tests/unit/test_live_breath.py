"""Portions are fitted to what they cost, however long a busy machine takes for them."""

import asyncio
from collections.abc import Iterator

import pytest

from mailsla.streams.live import breath
from mailsla.streams.live.breath import Breath, Portion


class Machine:
    """A clock and a processor that others use as well."""

    def __init__(self, share: float) -> None:
        self.now_s = self.worked_s = 0.0
        self._share = share

    def work(self, seconds: float) -> None:
        """Work for so many seconds of the processor."""
        self.worked_s += seconds
        self.now_s += seconds / self._share


def fitted(share: float, fixed_s: float, each_s: float, monkeypatch: pytest.MonkeyPatch) -> Portion:
    """The portion after many of it, each at a fixed price and a price for what is in it."""
    machine, portion = Machine(share), Portion(50, 1, 1_000)
    monkeypatch.setattr(breath.time, "monotonic", lambda: machine.now_s)
    monkeypatch.setattr(breath, "thread_time", lambda: machine.worked_s)

    async def run() -> None:
        held = Breath()
        for _ in range(100):
            held.begin()
            portion.took(await held.through(steps(), "work"))

    def steps() -> Iterator[None]:
        machine.work(fixed_s + portion.size * each_s)
        yield

    asyncio.run(run())
    return portion


@pytest.mark.parametrize("share", [1.0, 0.2, 0.02])
def test_others_on_the_machine_do_not_make_portions_smaller(share, monkeypatch):
    own, alone = (fitted(part, 0.02, 0.0001, monkeypatch) for part in (share, 1.0))
    assert own.size == alone.size
    assert 0.03 <= 0.02 + own.size * 0.0001 <= 0.06


def test_what_costs_much_is_cut(monkeypatch):
    assert fitted(1.0, 0.0, 0.02, monkeypatch).size <= 3
