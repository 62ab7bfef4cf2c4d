"""``mailsla contract``: apply, show and check contract documents."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from mailsla.schemas.calendars import is_published_name
from mailsla.schemas.codec.printable import printable
from mailsla.schemas.contract import Contract, default_contract
from mailsla.schemas.indicators import INDICATORS
from mailsla.schemas.topics import CONTRACTS
from mailsla.streams.clauses.model.contracts import Force, in_force
from mailsla.streams.cli.commands.calendars import published_names
from mailsla.streams.cli.output.clickhouse_output import cell, show_json, show_table
from mailsla.streams.cli.support.clickhouse_reading import reading
from mailsla.streams.cli.support.common import settings_of, state_file_option
from mailsla.streams.cli.support.contract_files import Document, Problem, read_documents
from mailsla.streams.cli.support.errors import CheckFailed, CommandError
from mailsla.streams.cli.support.kafka_publish import Record, publish
from mailsla.streams.cli.support.known import check_tenants
from mailsla.streams.settings import ConfigurationError, Settings

_FILES = click.Path(path_type=Path, dir_okay=False)


@click.group()
def contract() -> None:
    """Publish, check and show contract documents.

    A document is one version of one tenant's contract, in YAML or JSON: from when it is in
    force, and what it changes of the default contract. Start from schemas/examples/
    contract.default.yaml, which spells the default out.

    \b
    Examples:
      mailsla contract check acme.yaml
      mailsla contract apply acme.yaml umbrella.json
      mailsla contract show acme --terms
    """  # noqa: D301 - \b is click's mark for text to leave as it is


@contract.command()
@click.argument("files", nargs=-1, required=True, type=_FILES)
@state_file_option
@click.pass_context
def apply(ctx: click.Context, files: tuple[Path, ...], own_state_file: Path | None) -> None:
    """Publish the documents of FILES on sla.contracts: all of them, or none if one is not valid.

    Applying the same version again replaces it; a changed contract takes the next version.

    \b
    Example:
      mailsla contract apply acme.yaml
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    documents, problems = read_documents(files)
    settings = settings_of(ctx, own_state_file)
    if not problems:
        problems = _unpublished(settings, documents)
    if problems:
        _print(problems)
        raise CommandError("nothing was published; mend the documents and apply them again")
    records = [
        Record(CONTRACTS.name, each.contract.tenant_id.encode(), each.value) for each in documents
    ]
    publish(settings, records)
    for each in documents:
        click.echo(_headline(each))
    _warn_of_gaps([each.contract for each in documents])


@contract.command()
@click.argument("files", nargs=-1, required=True, type=_FILES)
@state_file_option
@click.pass_context
def check(ctx: click.Context, files: tuple[Path, ...], own_state_file: Path | None) -> None:
    """Check the documents of FILES and publish nothing; exit 1 if one is not valid.

    Warns where a tenant would be under no contract for days between two versions. The broker is
    asked only where a document names a calendar that has to be published.

    \b
    Example:
      mailsla contract check contracts/*.yaml
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    documents, problems = read_documents(files)
    problems += _unpublished(settings_of(ctx, own_state_file), documents)
    for each in documents:
        click.echo(_headline(each))
    _warn_of_gaps([each.contract for each in documents])
    if problems:
        _print(problems)
        raise CheckFailed("not every document is valid; mend what is named above")


@contract.command()
@click.argument("tenant")
@click.option("--terms", is_flag=True, help="What is promised: every indicator's effective terms.")
@click.option("--version", type=int, help="The terms of this version, not of the governing one.")
@click.option("--new-tenant", is_flag=True, help="A tenant of whom nothing is known yet.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_file_option
@click.pass_context
def show(
    ctx: click.Context,
    tenant: str,
    terms: bool,
    version: int | None,
    new_tenant: bool,
    as_json: bool,
    own_state_file: Path | None,
) -> None:
    """Show every version of TENANT's contract that has landed; > marks the one in force today.

    Where no version covers any of a month, the default contract governs it.

    \b
    Examples:
      mailsla contract show acme
      mailsla contract show acme --terms --json
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    versions = _landed(ctx, tenant, own_state_file, new_tenant)
    governing = _governing(in_force(versions), datetime.now(UTC))
    chosen = governing or default_contract(tenant)
    if version is not None:
        chosen = _numbered(versions, tenant, version)
    wanted = terms or version is not None
    if as_json:
        _show_json(tenant, versions, governing, chosen if wanted else None)
        return
    if versions:
        show_table(_versions_table(versions, governing))
        _warn_of_gaps(versions)
    if governing is None:
        click.echo(
            f"no version of {printable(tenant)} is in force today: the default contract governs"
        )
    if wanted:
        label = printable(chosen.profile.label)
        click.echo(f"\nterms of version {chosen.version}, profile {label}:")
        show_table(_terms_table(chosen))


def _landed(
    ctx: click.Context, tenant: str, state_file: Path | None, new_tenant: bool
) -> list[Contract]:
    sql = "SELECT document FROM contracts FINAL WHERE tenant_id = {tenant:String} ORDER BY version"
    with reading(settings_of(ctx, state_file)) as client:
        if not new_tenant:
            check_tenants(client, [tenant], "; for the terms of a new one add --new-tenant")
        found = client.query(sql, parameters={"tenant": tenant}).named_results()
    return [Contract.model_validate_json(row["document"]) for row in found]


def _governing(forces: list[Force], now: datetime) -> Contract | None:
    """The version in force now, by its own local day."""
    for force in forces:
        if force.first <= now.astimezone(force.contract.zone).date() < force.end:
            return force.contract
    return None


def _numbered(versions: list[Contract], tenant: str, number: int) -> Contract:
    for each in versions:
        if each.version == number:
            return each
    raise CheckFailed(
        f"no version {number} of {tenant} has landed; apply it, or wait with mailsla drain"
    )


def _versions_table(versions: list[Contract], governing: Contract | None) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("", "version", "from", "last day", "time zone", "profile", "changes", "name"):
        table.add_column(name)
    for each in versions:
        table.add_row(
            ">" if each == governing else "",
            str(each.version),
            str(each.effective_from),
            cell(each.last_day),
            each.timezone,
            cell(each.profile.label),
            str(len(each.overrides)),
            cell(each.name),
        )
    return table


def _terms_table(chosen: Contract) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("", "indicator", "promise", "remedy", "judged", ""):
        table.add_column(name)
    for indicator in INDICATORS:
        term = chosen.term(indicator)
        promise = "-" if term.target is None else f"{term.comparator} {term.target} {term.unit}"
        table.add_row(
            str(term.section),
            indicator,
            promise,
            term.remedy,
            "yes" if term.judged else "no",
            "changed" if indicator in chosen.overrides else "",
        )
    return table


def _show_json(
    tenant: str, versions: list[Contract], governing: Contract | None, chosen: Contract | None
) -> None:
    answer: dict[str, Any] = {
        "tenant_id": tenant,
        "governing_version": None if governing is None else governing.version,
        "versions": [each.model_dump(mode="json") for each in versions],
    }
    if chosen is not None:
        answer["terms_version"] = chosen.version
        answer["terms"] = [chosen.term(name).model_dump(mode="json") for name in INDICATORS]
    show_json(answer)


def _headline(document: Document) -> str:
    contract_ = document.contract
    end = f", the last day in force is {contract_.last_day}" if contract_.last_day else ""
    return (
        f"{contract_.tenant_id} version {contract_.version}, "
        f"in force from {contract_.effective_from}{end} ({printable(document.place)})"
    )


def _unpublished(settings: Settings, documents: list[Document]) -> list[Problem]:
    """Documents whose calendar nobody has published."""
    naming = [each for each in documents if is_published_name(each.contract.calendar)]
    if not naming:
        return []
    try:
        known = published_names(settings)
    except (ConfigurationError, CommandError) as error:
        asked = f"it has to be published, and it cannot be seen whether it is: {error}"
        return [Problem(each.place, asked, "calendar") for each in naming]
    return [
        Problem(
            each.place,
            f"no calendar {each.contract.calendar} is published; publish it with mailsla calendar "
            "apply, or write CN or a week such as MON-FRI",
            "calendar",
        )
        for each in naming
        if each.contract.calendar not in known
    ]


def _warn_of_gaps(contracts: Iterable[Contract]) -> None:
    """Say on stderr where a tenant is under no contract between two of these versions."""
    versions: dict[str, list[Contract]] = {}
    for each in contracts:
        versions.setdefault(each.tenant_id, []).append(each)
    for tenant, own in versions.items():
        for former, later in pairwise(in_force(own)):
            if former.end < later.first:
                last = later.first - timedelta(days=1)
                click.echo(
                    f"warning: {tenant} is under no contract from {former.end} to {last}, between "
                    f"versions {former.contract.version} and {later.contract.version}; is the "
                    f"effective_to of version {former.contract.version} the first day no longer in "
                    "force?",
                    err=True,
                )


def _print(problems: list[Problem]) -> None:
    for problem in problems:
        click.echo(printable(str(problem)), err=True)
