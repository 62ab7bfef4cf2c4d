"""``mailsla prove``."""

from datetime import date
from pathlib import Path
from typing import Final

import click

from mailsla.sinks.clickhouse import connect
from mailsla.sinks.closing.errors import ClosingError
from mailsla.sinks.closing.run.proof import prove as pack
from mailsla.sinks.closing.run.proof_check import differences
from mailsla.sinks.statement.making import write_whole
from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.support.common import MONTH, settings_of, state_file_option
from mailsla.streams.cli.support.errors import CheckFailed

_LONGEST_QUERY_S: Final = 1800.0


@click.command()
@click.option("--tenant", required=True, help="Whose month.")
@click.option("--month", required=True, type=MONTH, help="The closed month.")
@click.option("--revision", type=click.IntRange(1), help="This revision; else the last one.")
@click.option(
    "-o", "output", type=click.Path(path_type=Path, dir_okay=False), help="The file to write."
)
@state_file_option
@click.pass_context
def prove(
    ctx: click.Context,
    tenant: str,
    month: date,
    revision: int | None,
    output: Path | None,
    own_state_file: Path | None,
) -> None:
    """Pack a closed month so that anybody can recompute it, without us.

    The zip holds the figures, credits, contract documents and working days of a revision, the rows
    each figure is made of as Parquet, and check.py, one readable file that needs Python and pyarrow
    alone: it recomputes every indicator and says `agrees`, or where not. The same revision gives
    the same bytes.

    \b
    Example:
      mailsla prove --tenant acme --month 2026-10 -o proof.zip
      unzip -p proof.zip check.py > check.py && python check.py proof.zip
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    client = connect(clickhouse_settings(settings_of(ctx, own_state_file), _LONGEST_QUERY_S))
    try:
        content = pack(client, tenant, month, revision=revision)
    except ClosingError as error:
        raise CheckFailed(str(error)) from None
    finally:
        client.close()
    path = output or Path(f"proof-{tenant}-{month:%Y-%m}.zip")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    click.echo(path)
    found = list(differences(content))
    for line in found:
        click.echo(line, err=True)
    if found:
        raise CheckFailed("the rows do not give the closed figures; see mailsla close --verify")
    click.echo("agrees")
