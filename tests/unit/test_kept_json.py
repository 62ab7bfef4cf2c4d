"""What is kept in numbers takes the room that it needs."""

import orjson

from mailsla.schemas.facts.lines import decode_fact, encode_fact
from tests.stack import resident_bytes

COUNT = 20_000


def test_a_line_that_is_kept_takes_no_page_of_its_own():
    event = {"source": "watch", "type": "monitor.heartbeat", "monitor": "m", "interval_s": 60.0}
    facts = [
        decode_fact(orjson.dumps(event | {"id": f"h{number}", "tenant_id": "a", "time": number}))
        for number in range(COUNT)
    ]
    before = resident_bytes("self")
    lines = [encode_fact(fact) for fact in facts]
    assert (resident_bytes("self") - before) / len(lines) < 1_000
