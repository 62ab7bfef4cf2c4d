"""``mailsla doctor``."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from mailsla.schemas import compiled
from mailsla.streams.cli.output.clickhouse_output import cell, show_json
from mailsla.streams.cli.support.common import settings_of, state_file_option
from mailsla.streams.cli.support.doctor.checks import clickhouse_findings, kafka_findings
from mailsla.streams.cli.support.doctor.finding import Finding
from mailsla.streams.cli.support.doctor.placement import placement_finding
from mailsla.streams.cli.support.doctor.security import security_findings
from mailsla.streams.cli.support.errors import CheckFailed
from mailsla.streams.settings import ConfigurationError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@state_file_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, own_state_file: Path | None) -> None:
    """Check configuration, security, broker, topics, groups, mail logs, ClickHouse, schema, clock.

    Also whether topics were deleted and made anew under the live worker's state, whether batches
    could not be read, whether the live worker had to pass records over (quarantine) or had no room
    for tenants without a contract, which events came again with other content, which calendars of
    contracts nobody published, which sources of mail are silent or late, which put records into
    other partitions than their tenants', and whether the fast path is compiled. One line per check:
    ok, note (worth knowing), wrong (and how to mend it), or skipped (what it needs is wrong).
    Changes nothing; exits 1 if anything is wrong.

    \b
    Examples:
      mailsla doctor
      mailsla doctor --state-file s.json --json
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    findings = []
    for finding in _findings(ctx, own_state_file):
        findings.append(finding)
        if not as_json:
            detail = cell(finding.detail).plain
            click.echo(f"{finding.state:<8} {finding.check:<22} {detail}")
    if as_json:
        show_json([asdict(finding) for finding in findings])
    wrong = sum(finding.state == "wrong" for finding in findings)
    if wrong:
        raise CheckFailed(f"wrong: {wrong} of {len(findings)} checks; mend them as written there")


def _findings(ctx: click.Context, state_file: Path | None) -> Iterator[Finding]:
    try:
        settings = settings_of(ctx, state_file)
    except ConfigurationError as error:
        yield Finding("configuration", "wrong", str(error))
        return
    yield Finding(
        "configuration", "ok", f"kafka {settings.kafka}, clickhouse {settings.clickhouse}"
    )
    yield from security_findings(settings, state_file or (ctx.obj or {}).get("state_file"))
    yield from kafka_findings(settings)
    yield from clickhouse_findings(settings)
    yield placement_finding(settings)
    yield _fast_path()


def _fast_path() -> Finding:
    if compiled.texts is not None:
        return Finding("fast path", "ok", "compiled")
    detail = "not compiled, so that a flood is read at two thirds of the rate"
    return Finding("fast path", "note", f"{detail}; install a C compiler, then mailsla again")
