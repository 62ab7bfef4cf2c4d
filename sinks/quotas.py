"""Tenants that send more events than their quota of a day.

The live worker puts off what is beyond it, but mail, and all of it lands: a closing that left out
what a tenant sent would judge another month than the tenant had. What is too much is said instead.
"""

import asyncio
import logging
from datetime import date
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from mailsla.sinks.clickhouse import ClickHouseSettings, Client, connect
from mailsla.sinks.ddl import FACT_TABLES
from mailsla.sinks.landing.faults import label
from mailsla.streams.metrics.names import TENANTS_OVER_QUOTA

LOOKED_EVERY_S: Final = 600.0

_BY_TABLE: Final = " UNION ALL ".join(
    f"SELECT toString(tenant_id) AS tenant, toDate(time) AS day, count() AS events FROM {table} "  # noqa: S608 - constants
    "WHERE landed_at > now() - INTERVAL 1 DAY AND tenant_id != '*' GROUP BY tenant, day"
    for table in FACT_TABLES.values()
)
_OVER: Final = (
    f"SELECT tenant, day, sum(events) AS total FROM ({_BY_TABLE}) GROUP BY tenant, day "  # noqa: S608 - constants
    "HAVING total > {most:UInt64} ORDER BY total DESC, tenant, day"
)

_log = logging.getLogger(__name__)


def tenants_over_quota(client: Client, most: int) -> list[tuple[str, date, int]]:
    """Tenant, UTC day of event time and events, mail too, where they are more than ``most``.

    Of what landed in the last day; the busiest first.
    """
    rows = client.query(_OVER, parameters={"most": most}).result_rows
    return [(tenant, day, int(events)) for tenant, day, events in rows]


class QuotaWatch:
    """Sets the metric ``mailsla_tenants_over_quota`` again and again.

    Args:
        server: may be read.
        most: the quota.

    """

    def __init__(self, server: ClickHouseSettings, most: int) -> None:
        self._server, self._most = server, most

    async def tick(self) -> None:
        """Look once; the next time, if it cannot be."""
        try:
            found = await asyncio.to_thread(
                lambda: tenants_over_quota(connect(self._server), self._most)
            )
        except (ClickHouseError, OSError) as error:
            _log.debug("the quotas are not looked at now (%s)", label(error))
        else:
            TENANTS_OVER_QUOTA.set(len({tenant for tenant, _, _ in found}))
