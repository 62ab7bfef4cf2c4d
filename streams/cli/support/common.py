"""What several commands need: settings from the context, the client, the console."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.console import Console

from mailsla.schemas.indicators import INDICATORS
from mailsla.streams.cli.support.errors import suggestion
from mailsla.streams.settings import Settings, load

_COLUMNS: Final = 100

F = TypeVar("F", bound=Callable[..., Any])


def console(stderr: bool = False) -> Console:
    """A console; progress and notes go to stderr, results to stdout.

    Where it is no terminal, tables take the 100 columns they are made for, and a sentence stays
    one line: it is searched, not read.
    """
    out = Console(stderr=stderr, highlight=False)
    if out.is_terminal:
        return out
    return Console(stderr=stderr, highlight=False, width=_COLUMNS, soft_wrap=True)


def state_file_option(function: F) -> F:
    """Let ``--state-file`` stand after the command too."""
    return click.option(
        "--state-file",
        "own_state_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="State file of a running `mailsla up`; also MAILSLA_STATE_FILE.",
    )(function)


def settings_of(ctx: click.Context, own_state_file: Path | None = None) -> Settings:
    """The settings for this call."""
    return load(own_state_file or (ctx.obj or {}).get("state_file"))


class MonthType(click.ParamType):
    """A month written ``YYYY-MM``."""

    name = "YYYY-MM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The first day of the month."""
        if isinstance(value, date):
            return value
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", str(value)):
            self.fail(f"{value!r} is no month; write it as 2026-10", param, ctx)
        return date.fromisoformat(f"{value}-01")


class IndicatorType(click.ParamType):
    """An indicator of the agreement by its id."""

    name = "INDICATOR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id as it is."""
        if value in INDICATORS:
            return str(value)
        near = suggestion(str(value), INDICATORS)
        return self.fail(
            f"no indicator {value!r}{near or '; see mailsla contract show TENANT --terms'}",
            param,
            ctx,
        )


MONTH = MonthType()
INDICATOR = IndicatorType()
