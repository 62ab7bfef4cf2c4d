"""``mailsla config``."""

import click
from pydantic import SecretStr
from rich.markup import escape
from rich.table import Table

from mailsla.streams.cli.support.common import console, settings_of
from mailsla.streams.settings import PREFIX, Settings, unknown_variables


@click.command()
@click.pass_context
def config(ctx: click.Context) -> None:
    """List every setting, its value and where it can be changed.

    Each is an environment variable; MAILSLA_CONFIG may name a YAML file with the same names in
    lower case. Secrets are never printed.
    """
    settings = settings_of(ctx)
    table = Table("variable", "value", "meaning", box=None)
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = "(set)" if value.get_secret_value() else "(empty)"
        table.add_row(
            *map(escape, (f"{PREFIX}{name.upper()}", str(value), field.description or ""))
        )
    for name in sorted(unknown_variables()):
        table.add_row(name, "(set)", "unknown: nothing reads it")
    table.add_row("MAILSLA_CONFIG", "", "YAML file with settings, names in lower case")
    table.add_row("MAILSLA_STATE_FILE", "", "state file of a running mailsla up")
    console().print(table)
