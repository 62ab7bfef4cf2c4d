"""How a command fails: one sentence with the remedy, and an exit code."""


class CommandError(Exception):
    """A command could not do its work; the sentence says why and what to do."""

    exit_code = 2


class CheckFailed(CommandError):  # noqa: N818 - the check failed, not the program
    """The command worked and what it checked is not well."""

    exit_code = 1


class UnexpectedError(CommandError):
    """An error no command foresaw."""
