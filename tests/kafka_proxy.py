"""A network between workers and broker that is late, says things twice, and breaks off.

It knows of Kafka's protocol where a request begins and what it asks for, no more. What it does to
a request is what a real network may do to one: the client loses its connection, not knowing
whether the broker heard, heard and answered, or will hear later.
"""

import asyncio
import random
import struct
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from mailsla.sinks.embedded.ports import LOOPBACK

PRODUCE, OFFSET_COMMIT, INIT_PRODUCER_ID, END_TXN = 0, 8, 22, 26
TRANSACTIONAL = frozenset({PRODUCE, INIT_PRODUCER_ID, 24, 25, END_TXN, 28})
"""Produce, InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, TxnOffsetCommit."""
_HEAD = struct.Struct(">i")
_KEY = struct.Struct(">h")


@dataclass(frozen=True)
class Weather:
    """How often what goes wrong, of the requests in ``keys``."""

    delayed: float = 0.02
    """Forwarded later, within the bounds of ``delay_s``."""
    unanswered: float = 0.01
    """Forwarded at once; the connection breaks when the broker answers, so that it comes twice."""
    late: float = 0.01
    """The connection breaks at once, and the broker hears it up to five seconds later."""
    keys: frozenset = TRANSACTIONAL | {OFFSET_COMMIT}
    delay_s: tuple = (0.0, 2.0)


class Proxy:
    """Listens on one port of loopback and forwards to another, in a thread of its own."""

    def __init__(self, port, broker_port, weather, seed):
        self._port, self._broker_port = port, broker_port
        self.weather, self._chance = weather, random.Random(seed)
        self.done = Counter()
        """(what was done, api key) → how often."""
        self._late = set()

    async def serve(self, listening, stop):
        server = await asyncio.start_server(self._connected, LOOPBACK, self._port)
        listening.set()
        await asyncio.to_thread(stop.wait)
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connected(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection(LOOPBACK, self._broker_port)
        except OSError:
            writer.close()
            return
        broken = asyncio.Event()
        back = asyncio.create_task(self._answers(up_reader, writer, broken))
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._requests(reader, writer, up_writer, broken)
        writer.close()
        if not broken.is_set():
            up_writer.close()
            back.cancel()

    async def _requests(self, reader, writer, up_writer, broken):
        while True:
            head = await reader.readexactly(_HEAD.size)
            frame = head + await reader.readexactly(_HEAD.unpack(head)[0])
            what = self._draw(_KEY.unpack_from(frame, _HEAD.size)[0])
            if what == "late":
                broken.set()
                task = asyncio.create_task(self._deliver_late(frame, up_writer))
                self._late.add(task)
                return
            if what == "delayed":
                await asyncio.sleep(self._chance.uniform(*self.weather.delay_s))
            if what == "unanswered":
                broken.set()
            up_writer.write(frame)
            await up_writer.drain()

    def _draw(self, key):
        weather, draw = self.weather, self._chance.random()
        if key not in weather.keys:
            return None
        for name in ("delayed", "unanswered", "late"):
            draw -= getattr(weather, name)
            if draw < 0:
                self.done[name, key] += 1
                return name
        return None

    async def _deliver_late(self, frame, up_writer):
        await asyncio.sleep(5 * self._chance.random())
        with suppress(OSError):
            up_writer.write(frame)
            await up_writer.drain()
            await asyncio.sleep(5)
        up_writer.close()

    async def _answers(self, up_reader, writer, broken):
        with suppress(OSError):
            while data := await up_reader.read(1 << 16):
                if broken.is_set():
                    break
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def proxy(port, broker_port, weather, seed):
    """A running proxy, which listens."""
    made = Proxy(port, broker_port, weather, seed)
    listening, stop = threading.Event(), threading.Event()

    def run():
        with suppress(asyncio.CancelledError):
            asyncio.run(made.serve(listening, stop))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert listening.wait(10)
        yield made
    finally:
        stop.set()
        thread.join()
