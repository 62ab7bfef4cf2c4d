"""The tables of the result topics, derived from the result models.

``windows``: the highest revision of a window holds, of equal ones the newest knowledge (``as_of``).
``outages``: the newest knowledge of an outage holds.
``status``, ``contracts``: the newest record of a tenant's indicator in a period, or of a contract
version, holds; on the compacted topic only the newest period stays, here every one.
``breaches``, ``dead_letters``: append-only; a redelivery collapses into the first landing.
Newest and first are decided by content, the broker's time and the offset, so that landing the same
records again in any order ends in the same rows.
"""

from typing import Final

import pyarrow as pa

from mailsla.schemas.calendars import WorkingCalendar
from mailsla.schemas.contract import Contract
from mailsla.schemas.results import BreachData, CloudEvent, DeadLetter, Outage, Status, Window
from mailsla.sinks.ddl.model_columns import EXACT, EXACT_ARROW, ModelColumn, model_columns
from mailsla.sinks.ddl.table import (
    FIRST_LANDING,
    INSTANT,
    NEWEST_KNOWLEDGE,
    NEWEST_RECORD,
    NEWEST_REVISION,
    Table,
    TableColumn,
    Version,
    landing_columns,
)

RECORDED_AT: Final = TableColumn("recorded_at", INSTANT)
"""The Kafka timestamp of the record. Where the newest holds and a producer has set it: when it was
landed, and so newer than those before it in the log."""

_DIRECTION: Final = "ifNull(direction, '')"
_WINDOW_MONTH: Final = "toYYYYMM(window_start)"

DOCUMENT: Final = ModelColumn("document", "String", pa.string(), required=True)
"""The whole record as JSON, for what has no column of its own."""

WINDOW_COLUMNS: Final = model_columns(Window)
OUTAGE_COLUMNS: Final = model_columns(Outage)
STATUS_COLUMNS: Final = model_columns(Status)
BREACH_COLUMNS: Final = (
    *model_columns(CloudEvent, "specversion", "subject", "datacontenttype", "dataschema", "data"),
    *model_columns(BreachData, "burn"),
    DOCUMENT,
)
CONTRACT_COLUMNS: Final = (
    *model_columns(Contract, "domains", "monthly_fee", "profile", "overrides"),
    ModelColumn("domains", "Array(String)", pa.list_(pa.string()), required=False),
    ModelColumn("monthly_fee", f"Nullable({EXACT})", EXACT_ARROW, required=False),
    ModelColumn("currency", "LowCardinality(Nullable(String))", pa.string(), required=False),
    ModelColumn("profile", "LowCardinality(String)", pa.string(), required=True),
    DOCUMENT,
)
CALENDAR_COLUMNS: Final = (
    *model_columns(WorkingCalendar, "holidays", "working_days", "complete_for"),
    DOCUMENT,
)
DEAD_LETTER_COLUMNS: Final = model_columns(DeadLetter)


def _table(
    name: str,
    comment: str,
    columns: tuple[ModelColumn, ...],
    version: Version,
    order_by: tuple[str, ...],
    partition_by: str | None = None,
) -> Table:
    own = tuple(column.table_column for column in columns)
    named = {column.name for column in own}
    # A dead letter's topic, partition and offset are those of the record it is about.
    landing = tuple(column for column in landing_columns(version) if column.name not in named)
    return Table(name, comment, (*own, RECORDED_AT, *landing), order_by, partition_by)


WINDOWS: Final = _table(
    "windows",
    "Rolling window values; read with FINAL, the highest revision holds",
    WINDOW_COLUMNS,
    NEWEST_REVISION,
    ("tenant_id", "family", "window", _DIRECTION, "window_start", _WINDOW_MONTH),
    _WINDOW_MONTH,
)
OUTAGES: Final = _table(
    "outages",
    "Connectivity outages; read with FINAL, the newest as_of holds",
    OUTAGE_COLUMNS,
    NEWEST_KNOWLEDGE,
    ("tenant_id", "outage_id"),
)
BREACHES: Final = _table(
    "breaches",
    "The breach feed, append-only; read with FINAL",
    BREACH_COLUMNS,
    FIRST_LANDING,
    ("tenant_id", "id"),
)
STATUS: Final = _table(
    "status",
    "The last state of each indicator in each period; read with FINAL",
    STATUS_COLUMNS,
    NEWEST_RECORD,
    ("tenant_id", "indicator", "period"),
)
CONTRACTS: Final = _table(
    "contracts",
    "Every version of every contract document; read with FINAL",
    CONTRACT_COLUMNS,
    NEWEST_RECORD,
    ("tenant_id", "version"),
)
CALENDARS: Final = _table(
    "calendars",
    "Every version of every published calendar; the newest record of a name holds",
    CALENDAR_COLUMNS,
    NEWEST_RECORD,
    ("calendar", "version"),
)
DEAD_LETTERS: Final = _table(
    "dead_letters",
    "What could not be accepted, append-only; read with FINAL",
    DEAD_LETTER_COLUMNS,
    FIRST_LANDING,
    # The bytes too: a topic made anew gives the same coordinates to other records.
    ("topic", "`partition`", "`offset`", "cityHash64(value_b64)"),
)

RESULT_TABLES: Final = (WINDOWS, OUTAGES, BREACHES, STATUS, CONTRACTS, CALENDARS, DEAD_LETTERS)
