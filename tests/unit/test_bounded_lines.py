"""Log readers: a line costs its bytes once and is held to a bound, from files, gzip and pipes."""

import asyncio
import gzip
import io
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mailsla.streams.cli.output.ship_report import summarise
from mailsla.streams.connectors.bounded import MAX_LINE_BYTES, LineSplitter, read_line
from mailsla.streams.connectors.follow import Follower, read_lines
from mailsla.streams.connectors.postfix import OwnRelays, PostfixConnector, Site, TenantMap
from mailsla.streams.maillog.log_publisher import Shipper

pytestmark = pytest.mark.slow

LONG = 50_000_000
SOON_S = 10.0


def lines_of(data):
    file = io.BytesIO(data)
    return list(iter(lambda: read_line(file), b""))


@given(st.lists(st.integers(0, 3 * MAX_LINE_BYTES), max_size=4), st.integers(1, 30_000))
def test_blocks_and_files_give_the_same_lines_each_within_the_bound(lengths, size):
    data = b"".join(b"x" * length + b"\n" for length in lengths) + b"rest"
    expected = [b"x" * min(length, MAX_LINE_BYTES) + b"\n" for length in lengths] + [b"rest"]
    assert lines_of(data) == expected
    splitter, found = LineSplitter(), []
    for start in range(0, len(data), size):
        found += splitter.feed(data[start : start + size])
    assert [*found, splitter.rest()] == expected


def test_one_endless_line_costs_neither_memory_nor_time(tmp_path):
    log, packed = tmp_path / "mail.log", tmp_path / "mail.log.1.gz"
    content = b"x" * LONG + b"\nnext\n"
    log.write_bytes(content)
    packed.write_bytes(gzip.compress(content, 1))
    began = time.process_time()
    tracemalloc.start()
    try:
        for path in (log, packed):
            assert [len(line) for line in read_lines(path)] == [MAX_LINE_BYTES + 1, 5]
        assert Follower(log).poll() == [b"x" * MAX_LINE_BYTES + b"\n", b"next\n"]
        splitter = LineSplitter()
        for start in range(0, LONG, 1 << 16):
            splitter.feed(content[start : start + (1 << 16)])
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < SOON_S


def test_a_compressed_generation_is_unpacked_once_not_once_a_batch(tmp_path):
    log = tmp_path / "mail.log"
    log.write_bytes(b"first\n")
    follower = Follower(log)
    assert follower.poll() == [b"first\n"]
    position = follower.position
    follower.close()
    count = 200_000
    old = b"first\n" + b"".join(b"line %d\n" % number for number in range(count))
    (tmp_path / "mail.log.1.gz").write_bytes(gzip.compress(old, 1))
    log.unlink()
    log.write_bytes(b"new\n")
    follower = Follower(log, position)
    began, seen = time.process_time(), []
    while lines := follower.poll(500):
        seen += lines
    assert seen == [*old.splitlines(keepends=True)[1:], b"new\n"]
    assert time.process_time() - began < SOON_S


def test_lines_that_were_cut_are_counted_and_told(tmp_path):
    log = tmp_path / "mail.log"
    log.write_bytes(b"x" * (MAX_LINE_BYTES - 1) + b"\n" + b"y" * 3 * MAX_LINE_BYTES + b"\n")
    connector = PostfixConnector(Site(TenantMap({"acme.example": "acme"}), OwnRelays()))

    async def shipped():
        shipper = Shipper(connector, None, None, asyncio.Event(), print)
        await shipper.ship(list(read_lines(log)), patient=False)
        return shipper

    shipper, out = asyncio.run(shipped()), Console(file=io.StringIO(), width=100)
    summarise(shipper, out)
    assert shipper.counters["cut"] == 1
    assert "cut         1  lines of more than 8 KiB" in out.file.getvalue()
