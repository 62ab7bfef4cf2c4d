"""How a command fails: one sentence with the remedy, and an exit code."""

from collections.abc import Sequence

import click


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
