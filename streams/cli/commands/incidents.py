"""``mailsla incident list``."""

from pathlib import Path
from typing import Final

import click
from rich.table import Table

from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.streams.cli.output.clickhouse_output import cell, show_json, show_table
from mailsla.streams.cli.support.clickhouse_reading import Row, reading
from mailsla.streams.cli.support.common import settings_of, state_file_option
from mailsla.streams.cli.support.known import check_listed

_INCIDENTS: Final = """
SELECT tenant_id, incident_id, kind, component, description, opened_at,
  if(empty(closings), NULL, arrayMin(closings)) AS closed_at
FROM (
  SELECT
    toString(tenant_id) AS tenant_id,
    incident_id,
    argMinIf(toString(f.kind), time, type = 'incident.opened') AS kind,
    argMinIf(f.component, time, type = 'incident.opened') AS component,
    argMinIf(f.description, time, type = 'incident.opened') AS description,
    minIf(time, type = 'incident.opened') AS opened_at,
    arrayFilter(
      at -> at >= opened_at, groupArrayIf(time, type = 'incident.closed')
    ) AS closings
  FROM counted_ops_events(cutoff = toUnixTimestamp64Micro(now64(6))) AS f
  WHERE type IN ('incident.opened', 'incident.closed')
    AND ({tenant:String} = '' OR tenant_id IN ({tenant:String}, {platform:String}))
  GROUP BY tenant_id, incident_id
  HAVING countIf(type = 'incident.opened') > 0
)
WHERE NOT {open:Bool} OR closed_at IS NULL
ORDER BY closed_at IS NULL DESC, opened_at DESC, tenant_id, incident_id
"""
"""An incident runs from its earliest opening to its earliest closing after it (contract §3).

What was voided was never said.
"""


@click.command("list")
@click.option("--tenant", help="Only what concerns this tenant: its own and the platform's.")
@click.option("--open", "only_open", is_flag=True, help="Only those still open.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_file_option
@click.pass_context
def list_incidents(
    ctx: click.Context,
    tenant: str | None,
    only_open: bool,
    as_json: bool,
    own_state_file: Path | None,
) -> None:
    """List the incidents that have landed, those still open first; times in UTC.

    \b
    Examples:
      mailsla incident list --open
      mailsla incident list --tenant acme --json
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    parameters = {"tenant": tenant or "", "platform": PLATFORM, "open": only_open}
    settings = settings_of(ctx, own_state_file)
    check_listed(settings, tenant)
    with reading(settings) as client:
        found: list[Row] = list(client.query(_INCIDENTS, parameters=parameters).named_results())
    if as_json:
        show_json(found)
    elif found:
        show_table(_table(found))
    else:
        click.echo("no incident is open" if only_open else "no incident has landed", err=True)


def _table(found: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("incident", "tenant, kind", "opened", "closed"):
        table.add_column(name, overflow="fold")
    for row in found:
        about = " ".join(filter(None, (row["component"], row["description"])))
        table.add_row(
            cell(row["incident_id"]) + ("\n" if about else "") + cell(about),
            cell(row["tenant_id"]) + "\n" + cell(row["kind"]),
            cell(row["opened_at"]),
            cell("open" if row["closed_at"] is None else row["closed_at"]),
        )
    return table
