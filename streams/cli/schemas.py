"""``mailsla schemas``."""

from pathlib import Path

import click

from schemas.export import export_json_schemas
from streams.cli.errors import CommandError


@click.group()
def schemas() -> None:
    """The interface in machine-readable form.

    \b
    Example:
      mailsla schemas export build/schemas
    """  # noqa: D301 - \b is click's mark for text to leave as it is


@schemas.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def export(directory: Path) -> None:
    """Write a JSON Schema per event type, result and the contract document into DIRECTORY.

    \b
    Example:
      mailsla schemas export build/schemas
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    try:
        written = export_json_schemas(directory)
    except OSError as error:
        raise CommandError(
            f"{directory} cannot be written ({error.strerror}); name another directory"
        ) from None
    click.echo(f"{len(written)} schemas in {directory}")
