"""The queries of a statement, each in a file of its own, with server-side parameters."""

from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import StrictUndefined, Template

from mailsla.sinks.ddl import FACT_TABLES

SETTINGS: Final = {
    # What does not fit spills to disk instead of failing.
    "max_bytes_before_external_group_by": 700_000_000,
    "max_bytes_before_external_sort": 500_000_000,
    "max_execution_time": 0,
}
"""Server settings of the queries over facts; sizes in bytes."""


@cache
def query_text(name: str) -> str:
    """The query in ``sql/NAME.sql``, parameters as ``{name:Type}``.

    What it asks of every table of facts is written once, as a Jinja loop over ``fact_tables``.
    """
    text = (
        files("mailsla.sinks.statement").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    )
    # SQL of our own, into which no value goes: nothing to escape.
    template = Template(text, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    query: str = template.render(fact_tables=FACT_TABLES)
    return query
