"""The views of the closing: their order, and how they are installed."""

from importlib.resources import files
from typing import Final

from sinks.clickhouse import Client

VIEWS: Final = (
    "closing_periods",
    "closing_exclusions",
    "closing_mta",
    "closing_messages",
    "section_2_latency",
)
"""Every view, each after those it reads; the file of the same name holds its query."""


def view_query(name: str) -> str:
    """The query of a view, parameters as ``{name:Type}``."""
    return files("sinks.closing").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def install_views(client: Client) -> None:
    """Create every view, or replace it by the present one; repeatable, after the tables."""
    for name in VIEWS:
        client.command(f"CREATE OR REPLACE VIEW {name} AS\n{view_query(name)}")
