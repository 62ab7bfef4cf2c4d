"""``mailsla``: the command line and its rules for errors and exit codes.

0 done, 1 a check failed, 2 wrong use or configuration. An error is one sentence with the remedy;
``--debug`` shows where it came from.
"""

import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from mailsla.schemas.codec.printable import printable
from mailsla.streams.cli.support.errors import CommandError, UnexpectedError
from mailsla.streams.cli.support.library_errors import explained, hush
from mailsla.streams.settings import ConfigurationError

_COMMANDS: Final = {
    "audit": "audit",
    "calendar": "calendars",
    "close": "close",
    "config": "config",
    "contract": "contract",
    "credits": "credits",
    "dead-letters": "dead_letters",
    "demo": "demo",
    "doctor": "doctor",
    "drain": "drain",
    "exclude": "ops",
    "explain": "explain",
    "forget": "forget",
    "incident": "ops",
    "migrate": "migrate",
    "notify": "notify",
    "outage": "corrections",
    "prove": "prove",
    "schemas": "schemas",
    "ship": "ship",
    "simulate": "simulate",
    "statement": "statement",
    "topics": "topics",
    "up": "up",
    "void": "corrections",
    "watch": "watch",
    "worker": "worker",
}
"""command → module in ``commands``; loaded only when asked for."""
_LOGGING: Final = frozenset({"worker", "up", "demo"})
"""Commands whose processes keep a log of their own."""


class Commands(click.Group):
    """Loads a command's module when it is used, so that ``--help`` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in alphabetical order."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command's click object, or None when there is no such command."""
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"mailsla.streams.cli.commands.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mailsla")
@click.option(
    "--state-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="State file of a running `mailsla up`; also MAILSLA_STATE_FILE.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, state_file: Path | None, debug: bool) -> None:
    """Live and closed-month service-level verdicts for enterprise mail.

    Events come in on Kafka, windows and breaches go out on Kafka, everything lands in
    ClickHouse, where each month is closed.

    \b
    First steps:
      mailsla demo                     a simulated month, closed, on this machine
      mailsla up --state-file s.json   the whole stack in the foreground
      mailsla close 2026-10 --json     judge a month

    The stack is found by --state-file, by MAILSLA_KAFKA and MAILSLA_CLICKHOUSE, or at the
    default addresses of `mailsla up`. `mailsla config` lists every setting.
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    ctx.obj = {"state_file": state_file, "debug": debug}
    if not debug and ctx.invoked_subcommand not in _LOGGING:
        hush()


def main() -> None:
    """Run the command line; the only place that turns errors into sentences."""
    from mailsla.sinks.embedded.errors import StackError

    debug = "--debug" in sys.argv
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.message = printable(error.message)
        error.show()
        sys.exit(2)
    except CommandError as error:
        _fail(error, debug, error.exit_code)
    except (ConfigurationError, StackError) as error:
        _fail(error, debug, 2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        said = explained(error)
        if said is None:
            said = UnexpectedError(_one_line(error))
        _fail(said, debug, getattr(said, "exit_code", 2), error)
    # Outside its standalone mode click returns the code of `ctx.exit` instead of leaving with it.
    sys.exit(code if isinstance(code, int) else 0)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}; see mailsla doctor, or add --debug for the traceback"


def _fail(error: Exception, debug: bool, code: int, cause: Exception | None = None) -> None:
    if debug:
        traceback.print_exception(cause or error)
    click.echo(printable(f"mailsla: {error}"), err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
