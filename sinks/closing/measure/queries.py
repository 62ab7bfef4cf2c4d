"""Runs the measuring queries of a plan; their exact values go to ``closing_values``."""

from collections.abc import Callable
from typing import Final

from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.plan.plan_store import StoredPlan
from mailsla.sinks.closing.views import sections, views

SETTINGS: Final = {
    # What does not fit spills to disk instead of failing.
    "max_bytes_before_external_group_by": 700_000_000,
    "max_bytes_before_external_sort": 500_000_000,
    "max_execution_time": 0,
    "max_threads": 0,
}
"""Server settings of the measuring queries; sizes in bytes."""

_MEASURE: Final = """
INSERT INTO closing_values
  (run, tenant_id, indicator, num, den, raw_num, raw_den, excluded_num, excluded_den,
   evidence_count, has_data, settled)
SELECT
  {run:UUID}, tenant_id, indicator, num, den, raw_num, raw_den, excluded_num, excluded_den,
  evidence_count, has_data, settled
"""


def measure(
    client: Client,
    plan: StoredPlan,
    run: str,
    cutoff_us: int,
    between: Callable[[], None],
    only: int | None = None,
) -> None:
    """Measure every indicator of the plan's tenants from what had landed by the cutoff.

    ``between`` is called after every query; what it raises ends the run. ``only``: a section.
    """
    parameters = {"run": run, "month": plan.plan.month, "plan": plan.number, "cutoff": cutoff_us}
    wanted = "section_" if only is None else f"section_{only}_"
    queries = views()
    for section in sections():
        if not section.startswith(wanted):
            continue
        # The text of its view, not the view: the server would analyse that twice.
        client.command(
            f"{_MEASURE} FROM (\n{queries[section]}\n)", parameters=parameters, settings=SETTINGS
        )
        between()
