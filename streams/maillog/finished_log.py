"""The lines of a finished log, or of standard input, in pieces that are shipped together."""

import asyncio
import gzip
import os
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from itertools import islice
from pathlib import Path
from typing import IO, Final

from mailsla.streams.connectors.bounded import LineSplitter
from mailsla.streams.connectors.follow import read_lines
from mailsla.streams.maillog.log_publisher import CHUNK_LINES

STDIN: Final = "-"

_GZIP_MAGIC: Final = b"\x1f\x8b"
_READ_BYTES: Final = 65_536


async def chunks_of(file: str, stop: asyncio.Event) -> AsyncIterator[list[bytes]]:
    """The lines of a finished log, or of standard input as they come."""
    if file == STDIN:
        async for lines in _stdin_chunks(stop):
            yield lines
        return
    lines_left = read_lines(Path(file))
    while not stop.is_set() and (lines := list(islice(lines_left, CHUNK_LINES))):
        yield lines


async def _stdin_chunks(stop: asyncio.Event) -> AsyncIterator[list[bytes]]:
    """Standard input, read in a thread: a read that waits must not keep a signal waiting."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[list[bytes] | Exception | None] = asyncio.Queue(maxsize=4)

    def put(item: list[bytes] | Exception | None) -> None:
        asyncio.run_coroutine_threadsafe(queue.put(item), loop).result()

    def read() -> None:
        try:
            _read_stdin(put)
            put(None)
        except (OSError, EOFError, zlib.error) as error:
            put(error)

    # A daemon: nobody can wake it from its read when the command ends before its input.
    threading.Thread(target=read, daemon=True, name="stdin").start()
    stopping = asyncio.ensure_future(stop.wait())
    while True:
        taking = asyncio.ensure_future(queue.get())
        await asyncio.wait({taking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not taking.done():
            taking.cancel()
            return
        item = taking.result()
        if item is None:
            stopping.cancel()
            return
        if isinstance(item, Exception):
            raise item
        yield item


def _read_stdin(put: Callable[[list[bytes]], None]) -> None:
    # Its own descriptor: Python closes sys.stdin at exit, under the feet of a waiting read.
    source = os.fdopen(os.dup(0), "rb")
    stream: IO[bytes] | gzip.GzipFile = source
    if source.peek(2)[:2] == _GZIP_MAGIC:
        stream = gzip.GzipFile(fileobj=source)
    splitter = LineSplitter()
    while block := stream.read1(_READ_BYTES):  # type: ignore[union-attr]
        if lines := splitter.feed(block):
            put(lines)
    if rest := splitter.rest():
        put([rest])
