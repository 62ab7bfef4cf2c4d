"""A dead letter fits a record of the broker's default size, whatever the record had."""

from base64 import b64decode

import numpy as np
import orjson
import pytest

from mailsla.schemas.codec.records import Rejection
from mailsla.streams.runtime.dead_letters import dead_letter
from mailsla.streams.runtime.faust_app.batches import RecordBatch

LARGEST = 1_048_588 - 200
"""Bytes of a record of Apache Kafka's default size, without what is around them."""


@pytest.mark.parametrize(
    ("key_bytes", "value_bytes"), [(5, LARGEST), (LARGEST, 5), (LARGEST // 2, LARGEST // 2)]
)
def test_a_dead_letter_is_no_larger_than_the_largest_record(key_bytes, value_bytes):
    one = np.array([7], dtype=np.int64)
    batch = RecordBatch("mail.mta", 0, one, [b"k" * key_bytes], [b"x" * value_bytes], one, 0)
    letter = dead_letter(batch, 0, Rejection("too large", None))
    assert len(letter.key) + len(letter.value) < LARGEST
    document = orjson.loads(letter.value)
    kept = b64decode(document["value_b64"])
    assert kept == b"x" * len(kept)
    assert (f"only the first {len(kept)} bytes" in document["reason"]) == (len(kept) < value_bytes)
