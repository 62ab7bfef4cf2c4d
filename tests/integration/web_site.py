"""The web page over a ClickHouse server alone, served from a thread; no broker behind it."""

import asyncio
import http.client
import threading
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from mailsla.sinks.embedded.ports import LOOPBACK
from mailsla.streams.metrics.health import Health
from mailsla.streams.settings import Settings
from mailsla.streams.web.server import build_web


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    text: str


@dataclass(frozen=True)
class Site:
    port: int

    @property
    def address(self):
        return f"http://{LOOPBACK}:{self.port}"

    def get(self, path, **headers):
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read().decode())
        finally:
            connection.close()


@contextmanager
def served(server, **settings):
    """The page over a `ClickHouseProcess`, with settings of its own."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(
        build_web(Settings(**settings), server.settings(user="web"), Health("web"))
    )

    async def start():
        await runner.setup()
        site = web.TCPSite(runner, LOOPBACK, 0)
        await site.start()
        return runner.addresses[0][1]

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield Site(asyncio.run_coroutine_threadsafe(start(), loop).result(30))
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
