"""A consumer that inserts what it reads as JSONEachRow, unchecked, and commits after each insert.

Its rows have no place in Kafka, and a record that ClickHouse cannot read would stop it for ever.
"""

import asyncio

from aiokafka import AIOKafkaConsumer

from mailsla.schemas.topics import MTA
from mailsla.sinks.clickhouse import Client, connect
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.settings import load

BATCH = 50_000
TABLE = "mta_events_naive"
_FORMAT = {"date_time_input_format": "best_effort", "input_format_skip_unknown_fields": 1}


async def main() -> None:
    """Read and insert until the process is ended."""
    settings = load()
    client = connect(clickhouse_settings(settings))
    client.command(f"CREATE TABLE IF NOT EXISTS {TABLE} AS mta_events")
    consumer = AIOKafkaConsumer(
        MTA.name,
        bootstrap_servers=settings.kafka,
        group_id="bench-naive",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=settings.fetch_bytes,
    )
    await consumer.start()
    held: list[bytes] = []
    while True:
        fetched = await consumer.getmany(timeout_ms=500, max_records=BATCH - len(held))
        for records in fetched.values():
            held += [record.value for record in records]
        if len(held) == BATCH or (held and not fetched):
            await asyncio.to_thread(_insert, client, held)
            await consumer.commit()
            held = []


def _insert(client: Client, rows: list[bytes]) -> None:
    client.raw_insert(TABLE, insert_block=b"\n".join(rows), fmt="JSONEachRow", settings=_FORMAT)


if __name__ == "__main__":
    asyncio.run(main())
