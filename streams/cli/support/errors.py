"""How a command fails: one sentence with the remedy, and an exit code."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

import click

_SIMILAR: Final = 0.6


class CommandError(Exception):
    """A command could not do its work; the sentence says why and what to do."""

    exit_code = 2


class CheckFailed(CommandError):  # noqa: N818 - the check failed, not the program
    """The command worked and what it checked is not well."""

    exit_code = 1


class UnexpectedError(CommandError):
    """An error no command foresaw."""


def raise_for(failures: Sequence[object], remedy: str) -> None:
    """Print each tenant that was left out, and fail if there is any.

    Raises:
        CheckFailed: there is one; the others are done.

    """
    for failure in failures:
        click.echo(str(failure), err=True)
    if failures:
        tenants = "1 tenant was" if len(failures) == 1 else f"{len(failures)} tenants were"
        raise CheckFailed(f"{tenants} left out, the others are done; {remedy}")


def suggestion(name: str, known: Iterable[str]) -> str:
    """``; did you mean acme?``, or nothing where no known name is near."""
    near = get_close_matches(name, sorted(known), n=1, cutoff=_SIMILAR)
    return f"; did you mean {near[0]}?" if near else ""
