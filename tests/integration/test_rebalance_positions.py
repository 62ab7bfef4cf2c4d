"""Where a worker goes on reading after what it had fetched was dropped, as around a rebalance."""

import asyncio

import pytest

from mailsla.streams.runtime.faust_app.application import attach, build_app, commit_offsets
from tests.integration.shipping import broker_with_topics
from tests.topic_records import partition_of

TOPIC, KEY = "mail.ops", b"acme"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with broker_with_topics(tmp_path_factory.mktemp("tansu")) as started:
        yield started


async def offsets_read(settings, name, committed):
    """What comes of a partition, and once more after its reader went back to what is committed."""
    app, came = build_app(name, settings, transactions=False), asyncio.Queue()
    attach(app, [TOPIC], came.put)
    await app.start()
    try:
        first = await came.get()
        if committed is not None:
            assert await commit_offsets(app, {(first.topic, first.partition): committed})
        await app.consumer.perform_seek()
        again = await came.get()
    finally:
        await app.stop()
    return first.offsets.tolist(), again.offsets.tolist()


@pytest.mark.embedded
@pytest.mark.timeout(60)
@pytest.mark.parametrize("committed", [None, 0])
def test_what_was_dropped_and_not_committed_is_read_again(stack, committed):
    """
    fetched 0 1 2, dropped      nothing committed, or 0: 0 1 2 again
    """
    if not stack.ends(TOPIC)[partition_of(KEY)]:
        stack.publish([(TOPIC, KEY, b"{}")] * 3)
    reading = offsets_read(stack.settings, f"reader-{committed}", committed)
    first, again = asyncio.run(asyncio.wait_for(reading, 15))
    assert first == again == [0, 1, 2]
