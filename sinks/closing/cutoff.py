"""The cutoff of a closing: the instant up to which facts have landed, for ever the same.

``landed_at`` is set by the server while it inserts. An INSERT that began before the cutoff may
still be on its way with an earlier ``landed_at``: the closing waits for it, or its answer could
change when it is repeated.
"""

import time
from datetime import datetime
from typing import Final

from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.errors import ClosingError
from mailsla.sinks.closing.plan.contract_segments import micros

WAIT_S: Final = 120.0
_POLL_S: Final = 0.05

_RUNNING: Final = """
SELECT count()
FROM system.processes
WHERE query_kind IN ('Insert', 'AsyncInsertFlush')
  AND toUnixTimestamp64Micro(now64(6)) - toInt64(elapsed * 1000000) <= {cutoff:Int64} + 1000000
"""


def server_now_us(client: Client) -> int:
    """The server's clock, which also stamps ``landed_at``, µs since 1970."""
    return int(client.query("SELECT toUnixTimestamp64Micro(now64(6))").result_rows[0][0])


def fix_cutoff(client: Client, now: datetime | None) -> int:
    """The cutoff in µs: ``now``, or the server's clock; returns once everything before it is in.

    Raises:
        ClosingError: an INSERT that began before the cutoff does not end.

    """
    cutoff = server_now_us(client) if now is None else micros(now)
    deadline = time.monotonic() + WAIT_S
    while client.query(_RUNNING, parameters={"cutoff": cutoff}).result_rows[0][0]:
        if time.monotonic() > deadline:
            raise ClosingError(
                f"An INSERT into ClickHouse has been running for {WAIT_S:.0f} s; "
                "see system.processes, end it, and close the month again."
            )
        time.sleep(_POLL_S)
    return cutoff
