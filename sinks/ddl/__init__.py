"""The ClickHouse schema: tables derived from the models, and numbered SQL files."""

from typing import Final

from mailsla.schemas import topics
from mailsla.sinks.ddl.facts import FACT_TABLES, fact_table
from mailsla.sinks.ddl.results import RESULT_TABLES
from mailsla.sinks.ddl.table import Table

DERIVED_TABLES: Final[tuple[Table, ...]] = (
    *(fact_table(topic.name) for topic in topics.EVENT_TOPICS),
    *RESULT_TABLES,
)
"""Tables whose columns follow the models of ``schemas``."""

__all__ = ["DERIVED_TABLES", "FACT_TABLES", "RESULT_TABLES", "Table", "fact_table"]
