"""``mailsla statement``."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Final, cast

import click
from clickhouse_connect.driver.exceptions import ClickHouseError

from mailsla.schemas.presentation.language import LANGUAGES, Language
from mailsla.sinks.clickhouse import Client, connect
from mailsla.sinks.closing.errors import ClosingError, TenantFailure
from mailsla.sinks.landing.faults import label
from mailsla.sinks.statement.errors import StatementError
from mailsla.sinks.statement.facts.content import StatementRevision
from mailsla.sinks.statement.facts.gather import closed_revisions, gather
from mailsla.sinks.statement.making import Format, content_of, file_name, make_all, write_whole
from mailsla.sinks.statement.provider import Provider, provider_of
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.output.steps import Steps
from mailsla.streams.cli.support.common import MONTH, settings_of, state_file_option
from mailsla.streams.cli.support.errors import CheckFailed, CommandError, raise_for
from mailsla.streams.cli.support.known import check_tenants
from mailsla.streams.settings import Settings

_LONGEST_QUERY_S: Final = 1800.0


@click.command()
@click.option("--tenant", help="Whose statement.")
@click.option("--all", "everyone", is_flag=True, help="Of every tenant of the month.")
@click.option("--month", type=MONTH, required=True, help="A closed month.")
@click.option("--lang", type=click.Choice(LANGUAGES), default="zh", show_default=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="F.html or F.pdf; default: a name with tenant, month, revision and fingerprint.",
)
@click.option("--revision", type=click.IntRange(1), help="This revision; default: the newest.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --all: where the files go; default: statements-MONTH.",
)
@click.option("--format", "kind", type=click.Choice(["html", "pdf"]), help="Default: html.")
@state_file_option
@click.pass_context
def statement(
    ctx: click.Context,
    tenant: str | None,
    everyone: bool,
    month: date,
    lang: str,
    output: Path | None,
    revision: int | None,
    directory: Path | None,
    kind: str | None,
    own_state_file: Path | None,
) -> None:
    """Write the customer's statement of a closed month, as HTML or PDF.

    It shows the frozen figures of a revision and the facts behind them as of its cutoff, so that
    the same revision gives the same statement at any time. With --all every tenant's is made;
    files that are there are not made again.

    \b
    Examples:
      mailsla statement --tenant acme --month 2026-10 -o acme.pdf
      mailsla statement --all --month 2026-10 --lang en --dir statements
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    format_ = _format(kind, output)
    if everyone == (tenant is not None):
        raise click.UsageError("name one customer with --tenant, or all of them with --all")
    if (everyone and output) or (tenant and directory):
        raise click.UsageError("-o is for one statement, --dir for --all")
    settings = settings_of(ctx, own_state_file)
    with _connected(settings) as client:
        provider = provider_of(settings.provider_name, settings.provider_logo)
        wanted = _closed(client, month, tenant, revision)
        if tenant:
            _make_one(client, month, wanted[0], cast(Language, lang), format_, output, provider)
        else:
            place = directory or Path(f"statements-{month:%Y-%m}")
            _make_all(client, month, wanted, place, cast(Language, lang), format_, provider)


@contextmanager
def _connected(settings: Settings) -> Iterator[Client]:
    """A client; whatever keeps a statement from being made ends as one sentence."""
    try:
        with closing(connect(clickhouse_settings(settings, _LONGEST_QUERY_S))) as client:
            yield client
    except (StatementError, ClosingError) as error:
        raise CommandError(str(error)) from None
    except ClickHouseError as error:
        raise CommandError(
            f"ClickHouse at {settings.clickhouse} could not answer ({label(error)}); "
            "see mailsla doctor, then try again"
        ) from None


def _format(kind: str | None, output: Path | None) -> Format:
    suffix = output.suffix.lower().lstrip(".") if output else None
    if suffix is not None and suffix not in ("html", "pdf"):
        raise click.UsageError(f"{output} is neither .html nor .pdf; name the file so")
    if kind and suffix and kind != suffix:
        raise click.UsageError(f"{output} is no {kind}; leave --format out or name it .{kind}")
    return cast(Format, suffix or kind or "html")


def _closed(
    client: Client, month: date, tenant: str | None, revision: int | None
) -> list[StatementRevision]:
    found = closed_revisions(client, month, [tenant] if tenant else (), revision or 0)
    if found:
        return found
    label_ = f"{month:%Y-%m}"
    if revision is not None and closed_revisions(client, month, [tenant] if tenant else ()):
        whose = f"of {tenant} " if tenant else ""
        raise CommandError(
            f"{label_} {whose}has no revision {revision}; leave --revision out for the newest"
        )
    if tenant:
        check_tenants(client, [tenant])
    if tenant and closed_revisions(client, month):
        raise CommandError(
            f"{tenant} is not among the tenants closed in {label_}; "
            f"see mailsla contract show {tenant}, then run mailsla close {label_}"
        )
    raise CommandError(f"{label_} is not closed; run mailsla close {label_} first")


def _make_one(
    client: Client,
    month: date,
    revision: StatementRevision,
    language: Language,
    kind: Format,
    output: Path | None,
    provider: Provider,
) -> None:
    path = output or Path(file_name(revision, month, language, kind))
    failures: list[TenantFailure] = []
    statements = gather(client, month, [revision], failures.append)
    if failures:
        raise CheckFailed(f"{failures[0]}")
    (one,) = statements
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content_of(one, language, kind, provider))
    click.echo(path)


def _make_all(
    client: Client,
    month: date,
    revisions: list[StatementRevision],
    directory: Path,
    language: Language,
    kind: Format,
    provider: Provider,
) -> None:
    failures: list[TenantFailure] = []
    with Steps() as steps:
        step = steps.begin("statements", len(revisions))
        made = make_all(
            client,
            month,
            revisions,
            directory,
            language,
            kind,
            lambda count: step.at(step.count + count),
            failures.append,
            provider,
        )
        step.done(len(revisions))
    there = len(revisions) - made - len(failures)
    click.echo(f"{made} made, {there} were there: {directory}")
    raise_for(failures, "run it again once that is mended: what is there is not made again")
