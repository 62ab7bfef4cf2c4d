"""``mailsla notify``: the routes of notifications, and a test of one."""

from pathlib import Path

import click

from mailsla.streams.cli.support.common import settings_of, state_file_option
from mailsla.streams.cli.support.errors import CheckFailed, CommandError, suggestion
from mailsla.streams.notify.routes import Route, load_routes
from mailsla.streams.notify.senders import Away, Refused
from mailsla.streams.notify.worker import send_test
from mailsla.streams.settings import ConfigurationError, Settings


@click.group()
def notify() -> None:
    """Show and test the routes of the file named by MAILSLA_NOTIFY_ROUTES.

    `mailsla worker notify` delivers them.

    \b
    Examples:
      mailsla notify list
      mailsla notify test desk
    """  # noqa: D301 - \b is click's mark for text to leave as it is


@notify.command("list")
@state_file_option
@click.pass_context
def list_(ctx: click.Context, own_state_file: Path | None) -> None:
    """List the routes: name, kind, and what each is told of.

    \b
    Example:
      mailsla notify list
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    for route in routes_of(settings_of(ctx, own_state_file)):
        click.echo(f"{route.name:<20} {route.to.kind:<8} {_told(route)}")


@notify.command()
@click.argument("route")
@state_file_option
@click.pass_context
def test(ctx: click.Context, route: str, own_state_file: Path | None) -> None:
    """Send one event that says it is a test to the receiver of ROUTE.

    \b
    Example:
      mailsla notify test desk
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    routes = {each.name: each for each in routes_of(settings_of(ctx, own_state_file))}
    if route not in routes:
        raise CommandError(f"there is no route {route}{suggestion(route, routes)}")
    try:
        send_test(routes[route])
    except Away as error:
        raise CheckFailed(
            f"the receiver of {route} did not take it ({error}); see its address and its log"
        ) from None
    except Refused as error:
        raise CheckFailed(f"the receiver of {route} refused it ({error}); see its log") from None
    click.echo(f"{route} took it")


def routes_of(settings: Settings) -> tuple[Route, ...]:
    """The routes that are configured; raises `ConfigurationError`."""
    if settings.notify_routes is None:
        raise ConfigurationError("no routes are configured; set MAILSLA_NOTIFY_ROUTES to a file")
    return load_routes(settings.notify_routes)


def _told(route: Route) -> str:
    words = [
        *(f"type {name}" for name in route.types),
        *(f"section {number}" for number in route.sections),
        *(f"tenant {name}" for name in route.tenants),
    ]
    if route.severity is not None:
        words.append(f"{route.severity} or worse")
    return ", ".join(words) or "everything"
