"""The views of the closing: their order, and how they are installed."""

from importlib.resources import files
from typing import Final

from sinks.clickhouse import Client

SECTIONS: Final = (
    "section_1_connectivity",
    "section_2_latency",
    "section_3_faults",
    "section_3_service",
    "section_4_antispam",
    "section_5_antivirus",
    "section_6_security",
    "section_7_backup",
    "section_8_provisioning",
    "section_9_support",
)
"""The measuring query of each section: parameters month, plan, cutoff (µs)."""

_BEFORE: Final = (
    "closing_periods",
    "closing_days",
    "closing_scopes",
    "closing_spoken",
    "closing_exclusions",
    "closing_probe_changes",
    "closing_connectivity",
    "closing_downtime",
    "closing_cases",
    "closing_orders",
    "closing_mta",
    "closing_messages",
    *SECTIONS,
)
_AFTER: Final = (
    "closings",
    "closing_items",
    "credits",
    "clause_results",
    "tenant_month_summary",
    "downtime_month",
    "latency_month",
    "faults_month",
    "cases_month",
    "exceedances",
)

_MEASURED: Final = (
    "SELECT * FROM {name}"
    "(month = {{month:Date}}, plan = {{plan:UInt64}}, cutoff = {{cutoff:Int64}})"
)
_STORED: Final = "SELECT * FROM closing_values WHERE run = {run:UUID}"


def view_query(name: str) -> str:
    """The query in the file of a view, parameters as ``{name:Type}``."""
    return files("sinks.closing").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def views() -> dict[str, str]:
    """View name → its query, each after those it reads."""
    measured = "\nUNION ALL\n".join(_MEASURED.format(name=name) for name in SECTIONS)
    judge = view_query("judge")
    return {
        **{name: view_query(name) for name in _BEFORE},
        "closing_judged": f"WITH measured AS ({_STORED}),\n{judge}",
        "closing_current": f"WITH measured AS ({measured}),\n{judge}",
        **{name: view_query(name) for name in _AFTER},
    }


def install_views(client: Client) -> None:
    """Create every view, or replace it by the present one; repeatable, after the tables."""
    for name, query in views().items():
        client.command(f"CREATE OR REPLACE VIEW {name} AS\n{query}")
