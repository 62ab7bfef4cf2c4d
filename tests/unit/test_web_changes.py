"""How the overview is kept and open pages hear of a change: nobody waits, no change is missed."""

import asyncio
import gzip

from mailsla.streams.web import changes, overview_rows
from mailsla.streams.web.changes import PageChanges
from mailsla.streams.web.overview_rows import KeptOverview
from mailsla.streams.web.readings.connection import Unavailable


def in_time(scene):
    asyncio.run(asyncio.wait_for(scene(), 10))


def test_a_change_is_told_once_what_is_kept_has_been_read_anew():
    async def scene():
        read_anew = asyncio.Event()

        async def version():
            return "7"

        news = PageChanges(version, read_anew.wait)
        page = news.follow()
        assert await anext(page) == 0
        looking = asyncio.create_task(news.refresh())
        hearing = asyncio.ensure_future(anext(page))
        await asyncio.sleep(0)
        assert not hearing.done()
        read_anew.set()
        assert await hearing == 1
        await looking
        # Whoever got the rows of before and listens only now is told as well.
        assert await anext(news.follow()) == 1

    in_time(scene)


class Slow:
    """Tables with a version that is set; each reading takes until it is let go."""

    def __init__(self):
        self.state = "1"
        self.let_go = asyncio.Event()

    async def version(self):
        return self.state

    async def read_rows(self, _):
        rows = self.state.encode()
        await self.let_go.wait()
        return rows


async def turns():
    """Let whatever can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_visitor_gets_what_is_kept_while_it_is_read_anew(monkeypatch):
    monkeypatch.setattr(overview_rows, "PATIENCE_S", 0.01)
    monkeypatch.setattr(changes, "LOOK_S", 0.0)
    monkeypatch.setattr(changes, "SHARE", 1e9)  # it may look at any time

    async def scene():
        tables = Slow()
        kept = KeptOverview(tables.version, tables.read_rows)
        following = asyncio.create_task(kept.follow())
        first = asyncio.create_task(kept.answer(""))
        await turns()
        assert not (kept.is_warm or first.done()), "nothing is kept yet"
        tables.let_go.set()
        before = await first
        assert gzip.decompress(before.packed) == b"1"
        assert before.change == 1
        tables.let_go.clear()
        tables.state = "2"
        assert await kept.answer("") == before
        page = kept.changes.follow()
        assert await anext(page) == 1
        tables.let_go.set()
        assert await anext(page) == 2
        assert gzip.decompress((await kept.answer("")).packed) == b"2"
        assert kept.is_warm
        following.cancel()

    in_time(scene)


def test_what_cannot_be_read_is_said_and_tried_again():
    async def scene():
        answers = iter([Unavailable("away"), "1", "2"])

        async def version():
            return next(answers)

        async def read_rows(_):
            return b"rows"

        kept = KeptOverview(version, read_rows)
        assert str(await kept.answer("")) == "away"
        assert gzip.decompress((await kept.answer("")).packed) == b"rows"

    in_time(scene)
