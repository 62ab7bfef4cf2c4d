"""The queries of a statement, each in a file of its own, with server-side parameters."""

from functools import cache
from importlib.resources import files


@cache
def query_text(name: str) -> str:
    """The query in ``sql/NAME.sql``, parameters as ``{name:Type}``."""
    return files("sinks.statement").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
