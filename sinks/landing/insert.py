"""One insert of one block; durable when it returns."""

from typing import Final

from mailsla.sinks.clickhouse import Client
from mailsla.sinks.landing.batch import Block

_SETTINGS: Final = {
    "async_insert": 0,
    # A null where the table allows none is a fault to be seen, not a zero to be stored.
    "input_format_null_as_default": 0,
    # A replay may hold events of many months; the default of 100 would refuse the block for ever.
    "max_partitions_per_insert_block": 0,
    # Collapsing duplicates while inserting costs more than the rest of the insert; merges and
    # FINAL do it anyway.
    "optimize_on_insert": 0,
}


def insert_block(client: Client, block: Block) -> None:
    """Insert the block; the driver's exceptions pass through (`mailsla.sinks.landing.faults`).

    The driver may send a block twice when a connection is cut: the tables collapse duplicates.
    """
    client.insert_arrow(block.table, block.rows, settings=_SETTINGS)
