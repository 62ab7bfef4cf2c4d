"""``mailsla exclude`` and ``mailsla incident``: operations events from a terminal."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import click
from rich.table import Table

from mailsla.schemas.codec.identifiers import PLATFORM, ExclusionCode, rfc3339
from mailsla.schemas.contract import DEFAULT_TIMEZONE
from mailsla.streams.cli.commands.incidents import list_incidents
from mailsla.streams.cli.output.clickhouse_output import cell, show_json, show_table
from mailsla.streams.cli.support.clickhouse_reading import Row, reading
from mailsla.streams.cli.support.common import settings_of, state_file_option
from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.cli.support.kafka_publish import publish
from mailsla.streams.cli.support.known import check_id, check_listed, check_new_fact
from mailsla.streams.cli.support.ops_events import (
    DURATION,
    INSTANT,
    SECTIONS,
    ops_record,
    user,
    windows_of,
)

_CODES = get_args(ExclusionCode)
_EXCUSABLE = frozenset({1, 2, 3})
"""Sections that know exclusions (contract, exclusions)."""


_TENANT = click.option("--tenant", required=True, help="The tenant; '*' is the whole platform.")
_NEW_TENANT = click.option(
    "--new-tenant", is_flag=True, help="The tenant is new: do not look whether it is known."
)
_UNCHECKED = click.option(
    "--unchecked", is_flag=True, help="Do not look in ClickHouse whether there is such an id."
)


_EXCLUSIONS = """
SELECT * FROM exclusions
WHERE {tenant:String} = '' OR tenant_id IN ({tenant:String}, {platform:String})
ORDER BY starts_at DESC, tenant_id, exclusion_id
"""


@click.group()
def exclude() -> None:
    """Declare, revoke and list exclusions: times for which the provider is not liable.

    \b
    Codes: agreed_maintenance (with --consent, else it excludes nothing), foreign_system,
    customer_equipment, customer_misuse, customer_negligence, carrier, force_majeure.

    \b
    Examples:
      mailsla exclude declare --tenant acme --code carrier \\
          --from 2026-10-03T02:00:00+08:00 --to 2026-10-03T02:40:00+08:00
      mailsla exclude revoke --tenant acme --id 5f0c…
      mailsla exclude list --tenant acme
    """  # noqa: D301 - \b is click's mark for text to leave as it is


@exclude.command()
@_TENANT
@click.option("--code", required=True, type=click.Choice(_CODES), help="The cause.")
@click.option("--from", "starts_at", required=True, type=INSTANT, help="First instant excluded.")
@click.option("--to", "ends_at", type=INSTANT, help="First instant after it; or --duration.")
@click.option("--duration", type=DURATION, help="Its length as 40m, 2h or 1h30m.")
@click.option("--rrule", help="It comes again by this iCalendar rule: FREQ=WEEKLY;COUNT=10.")
@click.option(
    "--timezone", default=DEFAULT_TIMEZONE, show_default=True,
    help="With --rrule: the local time stays the same in it.",
)  # fmt: skip
@click.option("--sections", type=SECTIONS, help="Only these, as 1,2; else the code's own.")
@click.option("--consent", help="Reference of the customer's consent.")
@click.option("--note", help="Free text.")
@click.option("--id", "exclusion_id", help="Its id; generated when absent. The same id replaces.")
@_NEW_TENANT
@state_file_option
@click.pass_context
def declare(
    ctx: click.Context,
    tenant: str,
    code: str,
    starts_at: datetime,
    ends_at: datetime | None,
    duration: timedelta | None,
    rrule: str | None,
    timezone: str,
    sections: list[int] | None,
    consent: str | None,
    note: str | None,
    exclusion_id: str | None,
    new_tenant: bool,
    own_state_file: Path | None,
) -> None:
    """Declare an exclusion and print its id; also possible after the fact.

    With --rrule one exclusion is declared for each time the window comes again; each has an id of
    its own, so that it can be revoked alone, and declaring them again replaces them.

    \b
    Examples:
      mailsla exclude declare --tenant '*' --code agreed_maintenance --consent CR-118 \\
          --from 2026-10-03T02:00:00+08:00 --to 2026-10-03T02:40:00+08:00
      mailsla exclude declare --tenant acme --code agreed_maintenance --consent CR-119 \\
          --from 2026-10-04T02:00:00+08:00 --duration 40m --rrule 'FREQ=WEEKLY;COUNT=12'
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    windows = windows_of(starts_at, ends_at, duration, rrule, timezone)
    base = exclusion_id or str(uuid.uuid4())
    names = [base] if rrule is None else [f"{base}-{start:%Y%m%dT%H%M}" for start, _ in windows]
    shared: dict[str, Any] = {
        "code": code, "sections": sections, "consent_ref": consent, "note": note,
        "actor": user(),
    }  # fmt: skip
    now = datetime.now(UTC)
    each = [
        {"exclusion_id": name, "starts_at": rfc3339(start), "ends_at": rfc3339(end)} | shared
        for name, (start, end) in zip(names, windows, strict=True)
    ]
    records = [ops_record("exclusion.declared", tenant, now, fields) for fields in each]
    settings = settings_of(ctx, own_state_file)
    if not new_tenant:
        check_new_fact(settings, tenant)
    publish(settings, records)
    for name in names:
        click.echo(name)
    _warn(code, consent, sections, tenant, base)


@exclude.command()
@_TENANT
@click.option("--id", "exclusion_id", required=True, help="As `exclude declare` or `list` gave it.")
@_UNCHECKED
@state_file_option
@click.pass_context
def revoke(
    ctx: click.Context,
    tenant: str,
    exclusion_id: str,
    unchecked: bool,
    own_state_file: Path | None,
) -> None:
    """Take a declared exclusion back and print its id.

    \b
    Example:
      mailsla exclude revoke --tenant acme --id 0b8d4c0e-6f0f-4c55-9d2b-3f1f6d4f5a10
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    fields = {"exclusion_id": exclusion_id}
    record = ops_record("exclusion.revoked", tenant, datetime.now(UTC), fields)
    settings = settings_of(ctx, own_state_file)
    if not unchecked:
        check_id(settings, "exclusion", tenant, exclusion_id)
    publish(settings, [record])
    click.echo(exclusion_id)


@exclude.command()
@_TENANT
@click.option("--id", "exclusion_id", required=True, help="As `exclude declare` or `list` gave it.")
@_UNCHECKED
@state_file_option
@click.pass_context
def approve(
    ctx: click.Context,
    tenant: str,
    exclusion_id: str,
    unchecked: bool,
    own_state_file: Path | None,
) -> None:
    """Agree to an exclusion that another person declared, where the contract asks for it.

    \b
    Example:
      mailsla exclude approve --tenant acme --id 0b8d4c0e-6f0f-4c55-9d2b-3f1f6d4f5a10
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    fields = {"approves": exclusion_id, "actor": user()}
    record = ops_record("approval.given", tenant, datetime.now(UTC), fields)
    settings = settings_of(ctx, own_state_file)
    if not unchecked:
        check_id(settings, "exclusion", tenant, exclusion_id)
    publish(settings, [record])
    click.echo(exclusion_id)


@exclude.command("list")
@click.option("--tenant", help="Only what concerns this tenant: its own and the platform's.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_file_option
@click.pass_context
def list_(
    ctx: click.Context, tenant: str | None, as_json: bool, own_state_file: Path | None
) -> None:
    """List the exclusions that have landed, the latest interval first; times in UTC.

    \b
    Example:
      mailsla exclude list --tenant acme
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    settings = settings_of(ctx, own_state_file)
    check_listed(settings, tenant)
    with reading(settings) as client:
        parameters = {"tenant": tenant or "", "platform": PLATFORM}
        found = list(client.query(_EXCLUSIONS, parameters=parameters).named_results())
    if as_json:
        show_json(found)
    elif found:
        show_table(_exclusions_table(found))
    else:
        click.echo("no exclusion has landed", err=True)


@click.group()
def incident() -> None:
    """Open, close and list incidents: faults, and adjustments (planned changes).

    \b
    Examples:
      mailsla incident open --tenant '*' --kind fault --component mx1
      mailsla incident close --tenant '*' --id 5f0c…
      mailsla incident list --open
    """  # noqa: D301 - \b is click's mark for text to leave as it is


@incident.command("open")
@_TENANT
@click.option("--kind", required=True, type=click.Choice(["fault", "adjustment"]))
@click.option("--id", "incident_id", help="Its id; generated when absent.")
@click.option("--at", type=INSTANT, help="When it began; now when absent.")
@click.option("--until", type=INSTANT, help="When it ended; open when absent.")
@click.option("--component", help="What is concerned.")
@click.option("--description", help="Free text.")
@_NEW_TENANT
@state_file_option
@click.pass_context
def open_(
    ctx: click.Context,
    tenant: str,
    kind: str,
    incident_id: str | None,
    at: datetime | None,
    until: datetime | None,
    component: str | None,
    description: str | None,
    new_tenant: bool,
    own_state_file: Path | None,
) -> None:
    """Open an incident and print its id; with --until one that is over, in a single step.

    \b
    Examples:
      mailsla incident open --tenant acme --kind fault --at 2026-10-03T02:00:00+08:00
      mailsla incident open --tenant acme --kind fault \\
          --at 2026-10-03T02:00:00+08:00 --until 2026-10-03T02:40:00+08:00
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    opened = incident_id or str(uuid.uuid4())
    fields = {
        "incident_id": opened,
        "kind": kind,
        "component": component,
        "description": description,
    }
    begun = at or datetime.now(UTC)
    records = [ops_record("incident.opened", tenant, begun, fields)]
    if until is not None:
        if until <= begun:
            raise CommandError("--until is not after --at, which is no time at all; mend either")
        records.append(ops_record("incident.closed", tenant, until, {"incident_id": opened}))
    settings = settings_of(ctx, own_state_file)
    if not new_tenant:
        check_new_fact(settings, tenant)
    publish(settings, records)
    click.echo(opened)


@incident.command()
@_TENANT
@click.option("--id", "incident_id", required=True, help="As `incident open` gave it.")
@click.option("--at", type=INSTANT, help="When it ended; now when absent.")
@_UNCHECKED
@state_file_option
@click.pass_context
def close(
    ctx: click.Context,
    tenant: str,
    incident_id: str,
    at: datetime | None,
    unchecked: bool,
    own_state_file: Path | None,
) -> None:
    """Close an incident and print its id.

    \b
    Example:
      mailsla incident close --tenant acme --id 5f0c… --at 2026-10-03T02:40:00+08:00
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    fields = {"incident_id": incident_id}
    record = ops_record("incident.closed", tenant, at or datetime.now(UTC), fields)
    settings = settings_of(ctx, own_state_file)
    if not unchecked:
        check_id(settings, "incident", tenant, incident_id)
    publish(settings, [record])
    click.echo(incident_id)


incident.add_command(list_incidents)


def _warn(
    code: str, consent: str | None, sections: list[int] | None, tenant: str, exclusion: str
) -> None:
    """Say on stderr where a declaration has no effect."""
    if code == "agreed_maintenance" and not consent:
        click.echo(
            "warning: agreed_maintenance without --consent excludes nothing; when the customer "
            f"has agreed, declare it again with --tenant '{tenant}' --id {exclusion} --consent …",
            err=True,
        )
    if sections is not None and not _EXCUSABLE & set(sections):
        click.echo(
            "warning: only sections 1 and 2 know exclusions (and 3, where the contract document "
            "says so); this one excludes nothing",
            err=True,
        )


def _exclusions_table(found: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("exclusion", "state", "tenant, cause", "interval", "sections"):
        table.add_column(name, overflow="fold")
    for row in found:
        about = " ".join(filter(None, (row["consent_ref"], row["note"])))
        table.add_row(
            cell(row["exclusion_id"]) + ("\n" if about else "") + cell(about),
            row["state"],
            cell(row["tenant_id"]) + "\n" + cell(row["code"]),
            cell(row["starts_at"]) + "\n" + cell(row["ends_at"]),
            ",".join(str(section) for section in row["sections"]) or "-",
        )
    return table
