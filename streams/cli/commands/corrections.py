"""``mailsla outage`` and ``mailsla void``: what no probe saw, and what was said wrongly."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Any, get_args

import click

from mailsla.schemas.codec.identifiers import rfc3339
from mailsla.schemas.events.ops import VoidableTopic
from mailsla.streams.cli.support.common import settings_of, state_file_option
from mailsla.streams.cli.support.kafka_publish import publish
from mailsla.streams.cli.support.known import check_event, check_id, check_new_fact
from mailsla.streams.cli.support.ops_events import DURATION, INSTANT, ops_record, user, windows_of
from mailsla.streams.settings import Settings

_TENANT = click.option("--tenant", required=True, help="The tenant; '*' is the whole platform.")
_NEW_TENANT = click.option(
    "--new-tenant", is_flag=True, help="The tenant is new: do not look whether it is known."
)
_UNCHECKED = click.option(
    "--unchecked", is_flag=True, help="Do not look in ClickHouse whether it is there."
)
_OUTAGE = click.option("--id", "outage_id", required=True, help="As `outage declare` gave it.")


@click.group()
def outage() -> None:
    """Declare, approve and revoke outages that no probe saw: downtime like any other.

    \b
    Examples:
      mailsla outage declare --tenant acme --reason 'power failure' --evidence 'ticket 77' \\
          --from 2026-10-03T02:00:00+08:00 --duration 40m
      mailsla outage revoke --tenant acme --id 5f0c…
    """  # noqa: D301 - \b is click's mark for text to leave as it is


@outage.command()
@_TENANT
@click.option("--from", "starts_at", required=True, type=INSTANT, help="First instant of it.")
@click.option("--to", "ends_at", type=INSTANT, help="First instant after it; or --duration.")
@click.option("--duration", type=DURATION, help="Its length as 40m, 2h or 1h30m.")
@click.option("--reason", required=True, help="What happened.")
@click.option("--evidence", help="What shows it: a ticket, a letter.")
@click.option("--id", "outage_id", help="Its id; generated when absent. The same id replaces.")
@_NEW_TENANT
@state_file_option
@click.pass_context
def declare(
    ctx: click.Context,
    tenant: str,
    starts_at: datetime,
    ends_at: datetime | None,
    duration: timedelta | None,
    reason: str,
    evidence: str | None,
    outage_id: str | None,
    new_tenant: bool,
    own_state_file: Path | None,
) -> None:
    """Declare an outage and print its id; where the contract asks for it, another approves.

    \b
    Example:
      mailsla outage declare --tenant acme --reason 'power failure' \\
          --from 2026-10-03T02:00:00+08:00 --to 2026-10-03T02:40:00+08:00
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    ((start, end),) = windows_of(starts_at, ends_at, duration, None, "UTC")
    name = outage_id or str(uuid.uuid4())
    fields = {
        "outage_id": name,
        "starts_at": rfc3339(start),
        "ends_at": rfc3339(end),
        "reason": reason,
        "evidence": evidence,
        "actor": user(),
    }
    _publish(ctx, own_state_file, "outage.declared", tenant, fields, new_tenant)
    click.echo(name)


def _of_declared(about: Callable[[str], tuple[str, dict[str, Any]]]) -> Callable[..., None]:
    """Publishes an event about an outage that somebody declared, and prints the outage's id.

    Args:
        about: the event's type and fields, given the id.

    """

    @_TENANT
    @_OUTAGE
    @_UNCHECKED
    @_NEW_TENANT
    @state_file_option
    @click.pass_context
    @wraps(about)
    def command(
        ctx: click.Context,
        tenant: str,
        outage_id: str,
        unchecked: bool,
        new_tenant: bool,
        own_state_file: Path | None,
    ) -> None:
        type_, fields = about(outage_id)
        declared = partial(check_id, kind="outage", tenant=tenant, name=outage_id)
        known = None if unchecked else declared
        _publish(ctx, own_state_file, type_, tenant, fields, new_tenant, known)
        click.echo(outage_id)

    return command


@outage.command()
@_of_declared
def revoke(outage_id: str) -> tuple[str, dict[str, Any]]:
    """Take a declared outage back and print its id.

    \b
    Example:
      mailsla outage revoke --tenant acme --id 0b8d4c0e-6f0f-4c55-9d2b-3f1f6d4f5a10
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    return "outage.revoked", {"outage_id": outage_id}


@outage.command()
@_of_declared
def approve(outage_id: str) -> tuple[str, dict[str, Any]]:
    """Agree to an outage that another person declared, where the contract asks for it.

    \b
    Example:
      mailsla outage approve --tenant acme --id 0b8d4c0e-6f0f-4c55-9d2b-3f1f6d4f5a10
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    return "approval.given", {"approves": outage_id, "actor": user()}


@click.command()
@_TENANT
@click.option("--topic", required=True, type=click.Choice(get_args(VoidableTopic)))
@click.option("--source", required=True, help="The event's source.")
@click.option("--id", "event_id", required=True, help="The event's id.")
@click.option("--reason", required=True, help="Why it should not have been said.")
@_UNCHECKED
@_NEW_TENANT
@state_file_option
@click.pass_context
def void(
    ctx: click.Context,
    tenant: str,
    topic: str,
    source: str,
    event_id: str,
    reason: str,
    unchecked: bool,
    new_tenant: bool,
    own_state_file: Path | None,
) -> None:
    """Take an event out: it does not count from when the voiding has landed.

    Closed months keep their revisions; closing them again gives a new one. An event is replaced by
    voiding it and publishing another. A voiding cannot be voided. One of an event that has not come
    yet waits for it, and is refused without --unchecked: more often its name is mistyped.

    Live figures and the breach feed follow. Where the event of mail is voided by which a message
    counts, live the message is gone until something else is published of it.

    \b
    Example:
      mailsla void --tenant acme --topic mail.probe --source probe1 --id 77 --reason 'probe broken'
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    fields = {
        "voids_topic": topic,
        "voids_source": source,
        "voids_id": event_id,
        "reason": reason,
        "actor": user(),
    }
    known = None if unchecked else partial(check_event, topic=topic, source=source, name=event_id)
    _publish(ctx, own_state_file, "event.voided", tenant, fields, new_tenant, known)
    click.echo(f"{source}#{event_id}")


def _publish(
    ctx: click.Context,
    state_file: Path | None,
    type_: str,
    tenant: str,
    fields: dict[str, Any],
    new_tenant: bool,
    known: Callable[[Settings], None] | None = None,
) -> None:
    """Publish an event; ``known`` refuses one of something that is not there."""
    record = ops_record(type_, tenant, datetime.now(UTC), fields)
    settings = settings_of(ctx, state_file)
    if not new_tenant:
        check_new_fact(settings, tenant)
    if known is not None:
        known(settings)
    publish(settings, [record])
