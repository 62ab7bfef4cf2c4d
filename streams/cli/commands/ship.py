"""``mailsla ship``: a real system's logs turned into events."""

import asyncio
import hashlib
import logging
import os
import signal
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from aiokafka.errors import KafkaError
from rich.console import Console

from mailsla.schemas.topics import MTA
from mailsla.streams.cli.output.ship_report import problem_of, summarise
from mailsla.streams.cli.support.common import console, settings_of, state_file_option
from mailsla.streams.cli.support.errors import CheckFailed, CommandError
from mailsla.streams.connectors.finished import End, FinishedLogs
from mailsla.streams.connectors.follow import Follower, StateFileError, load_state
from mailsla.streams.connectors.postfix import NO_HOST, PostfixConnector
from mailsla.streams.connectors.postfix.read.log_time import log_time
from mailsla.streams.maillog.finished_log import STDIN, chunks_of
from mailsla.streams.maillog.log_publisher import Following, Shipper, ShippingError, ship_all
from mailsla.streams.maillog.site import configured_site
from mailsla.streams.runtime.checkpoint.writer import start_producer
from mailsla.streams.runtime.kafka.admin import administration
from mailsla.streams.runtime.kafka.probe import probe
from mailsla.streams.settings import ConfigurationError, Settings


@click.group()
def ship() -> None:
    """Turn a real system's logs into events.

    \b
    Example:
      mailsla ship postfix /var/log/mail.log --domain-tenant domains.yaml
    """  # noqa: D301 - \b is click's mark for text to leave as it is


@dataclass(frozen=True)
class _Request:
    """What is to be shipped, and how."""

    file: str
    follow: bool
    position_file: Path | None
    host: str | None
    afresh: bool
    settings: Settings
    connector: PostfixConnector


@ship.command()
@click.argument("file")
@click.option("--follow", is_flag=True, help="Go on with what is written, through rotations.")
@click.option(
    "--domain-tenant",
    type=click.Path(path_type=Path),
    help="Whose mail it is: YAML or JSON (domain: tenant), or CSV. Or MAILSLA_MAILLOG_TENANTS.",
)
@click.option("--zone", help="Zone of stamps that name none.  [default: MAILSLA_MAILLOG_ZONE]")
@click.option(
    "--year",
    type=click.IntRange(1970, 8999),
    help="Year of the log's first line, for stamps without one.  [default: by the file's age]",
)
@click.option(
    "--own-relay",
    "own_relays",
    multiple=True,
    metavar="HOST[:PORT]",
    help="A relay or content filter of the provider; may be repeated. A hop to it is not yet "
    "the transmission to the destination.",
)
@click.option(
    "--mailbox-store",
    "mailbox_stores",
    multiple=True,
    metavar="HOST[:PORT]",
    help="A host reached by SMTP that keeps the mailboxes; may be repeated. What it has taken "
    "is delivered.",
)
@click.option(
    "--queue-lifetime",
    type=click.FloatRange(min=0, min_open=True, max=100),
    metavar="DAYS",
    help="Postfix's maximal_queue_lifetime.  [default: 5]",
)
@click.option(
    "--position-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where --follow remembers its place.  [default: under XDG_STATE_HOME]",
)
@click.option("--host", help="Host of records that name none.  [default: localhost]")
@click.option("--afresh", is_flag=True, help="Read FILE as if no earlier one had been read.")
@state_file_option
@click.pass_context
def postfix(
    ctx: click.Context,
    file: str,
    follow: bool,
    domain_tenant: Path | None,
    zone: str | None,
    year: int | None,
    own_relays: tuple[str, ...],
    mailbox_stores: tuple[str, ...],
    queue_lifetime: float | None,
    position_file: Path | None,
    host: str | None,
    afresh: bool,
    own_state_file: Path | None,
) -> None:
    """Read a Postfix log and publish the mail events it tells of.

    FILE is a log as syslog or a log shipper writes it, plain or gzip; `-` is standard input.
    Reading a log twice does no harm: the same lines make the same events, which count once.

    \b
    Examples:
      mailsla ship postfix /var/log/mail.log --domain-tenant domains.yaml --follow
      mailsla ship postfix mail.log-20261101.gz --domain-tenant domains.yaml --zone Asia/Shanghai
      journalctl -o json --facility=mail | mailsla ship postfix - --domain-tenant domains.yaml

    \b
    domains.yaml:
      example.com: acme
      "*.example.com": acme

    Finished files, one a day, are read one after the other: each goes on from what the one
    before left open. The command ends with 1 when nothing was published, or when more than one
    line in a hundred could not be used, and says why.

    --follow keeps its place in a file, saved only after the broker has acknowledged, and goes
    on from there when started again: killed at any moment, nothing is lost and nothing counts
    twice. SIGTERM or Ctrl-C ends it.
    """  # noqa: D301
    settings = settings_of(ctx, own_state_file)
    _check_use(file, follow, position_file)
    own = ",".join((settings.maillog_own_relays, *own_relays))
    stores = ",".join((settings.maillog_mailbox_stores, *mailbox_stores))
    given = {
        "maillog_tenants": domain_tenant or settings.maillog_tenants,
        "maillog_zone": zone or settings.maillog_zone,
        "maillog_own_relays": own,
        "maillog_mailbox_stores": stores,
        "maillog_queue_lifetime_days": queue_lifetime or settings.maillog_queue_lifetime_days,
    }
    site = configured_site(settings.model_copy(update=given))
    if site is None:
        raise ConfigurationError(
            "whose mail it is must be known; name a map with --domain-tenant or "
            "MAILSLA_MAILLOG_TENANTS"
        )
    connector = PostfixConnector(site, _reference(file), year)
    _execute(_Request(file, follow, position_file, host, afresh, settings, connector))


def _execute(request: _Request) -> None:
    """Run to the end; what went wrong, or makes the result doubtful, as a sentence."""
    try:
        complete, problem = asyncio.run(_run(request))
    except ShippingError as error:
        raise CommandError(str(error)) from None
    except (OSError, EOFError, zlib.error) as error:
        raise CommandError(f"{request.file} cannot be read to its end ({error})") from None
    if not complete:
        raise click.Abort
    if problem is not None and not request.follow:
        raise CheckFailed(problem)


def _check_use(file: str, follow: bool, position_file: Path | None) -> None:
    if file == STDIN:
        if follow:
            raise click.UsageError("--follow needs a file; standard input is read to its end")
    elif Path(file).is_dir():
        raise ConfigurationError(f"{file} is a directory; name a log file in it")
    elif not Path(file).is_file() and not (
        follow and Path(_position_path(file, position_file)).is_file()
    ):
        raise ConfigurationError(f"there is no file {file}; name a Postfix log, or - for stdin")
    if position_file is not None and not follow:
        raise click.UsageError("--position-file is for --follow; without it FILE is read whole")


def _position_path(file: str, given: Path | None) -> Path:
    """Where the place in a followed log is remembered."""
    if given is not None:
        return given
    path = Path(file).absolute()
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return _state_home() / f"{path.name}-{digest}.json"


def _state_home() -> Path:
    """Where shipping remembers what it has read."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "mailsla" / "ship"


def _reference(file: str) -> datetime:
    """A moment the log's first line is not later than."""
    try:
        return datetime.fromtimestamp(Path(file).stat().st_mtime, UTC)
    except FileNotFoundError:
        return datetime.now(UTC)


def _check_topic(settings: Settings) -> None:
    """The broker has the topic: a producer would wait for it, or have a wrong one made."""
    with administration(settings) as admin:
        if MTA.name not in admin.list_topics():
            raise ConfigurationError(
                f"the broker at {settings.kafka} has no topic {MTA.name}; "
                "create the topics with: mailsla topics"
            )


async def _run(request: _Request) -> tuple[bool, str | None]:
    """Ship until the end, or until a stop signal.

    Returns:
        Whether the end was reached, and what makes the result doubtful.

    """
    for client in ("aiokafka", "kafka"):
        logging.getLogger(client).addHandler(logging.NullHandler())  # we say it in a sentence
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if trouble := await asyncio.to_thread(probe, request.settings):
        raise ShippingError(trouble.sentence)
    try:
        producer = await start_producer(request.settings)
    except KafkaError as error:
        raise ShippingError(
            f"no Kafka broker answers at {request.settings.kafka} ({type(error).__name__}); "
            "start one with: mailsla up, or set MAILSLA_KAFKA"
        ) from None
    notes = console(stderr=True)
    shipper = Shipper(request.connector, producer, request.host, stop, notes.print)
    try:
        await asyncio.to_thread(_check_topic, request.settings)
        with notes.status("reading") as status:
            complete = await _ship(request, shipper, notes, lambda s: status.update(_progress(s)))
    finally:
        await _unless_it_hangs(producer.stop())
    summarise(shipper, console())
    return complete, problem_of(shipper)


async def _ship(
    request: _Request, shipper: Shipper, notes: Console, progress: Callable[[Shipper], None]
) -> bool:
    if not request.follow:
        return await _ship_finished(request, shipper, notes, progress)
    state_file = _position_path(request.file, request.position_file)
    state_file.parent.mkdir(parents=True, exist_ok=True)
    follower = _resume(Path(request.file), state_file, request.connector)
    place = follower.position
    where = "from the beginning" if place is None else f"from byte {place.offset}"
    notes.print(f"following {request.file} {where}; the place is kept in {state_file}")
    shipper.start_counting()
    await Following(shipper, follower, state_file).run(progress)
    return True


async def _ship_finished(
    request: _Request, shipper: Shipper, notes: Console, progress: Callable[[Shipper], None]
) -> bool:
    """Ship a log to its end, going on from what an earlier one left open."""
    cluster = hashlib.sha256(request.settings.kafka.encode()).hexdigest()[:12]
    finished = FinishedLogs(_state_home() / f"finished-{cluster}")
    chunks = chunks_of(request.file, shipper.stop)
    first: list[bytes] = await anext(chunks, [])
    opening = _opening(request, first)
    if opening is not None and not request.afresh:
        _go_on(shipper, notes, finished.end_before(*opening))

    async def all_chunks() -> AsyncIterator[list[bytes]]:
        yield first
        async for lines in chunks:
            yield lines

    state = await ship_all(shipper, all_chunks(), progress)
    if state is None:
        return False
    last = log_time(state)
    if opening is not None and last is not None:
        name = "standard input" if request.file == STDIN else Path(request.file).name
        finished.keep(End(name, opening[1], last, state), shipper.connector.hosts_fed)
    return True


def _opening(request: _Request, lines: Sequence[bytes]) -> tuple[str, datetime] | None:
    """Host and moment of the first line of Postfix."""
    for line in lines:
        place = request.connector.locate(line)
        if place is not None and place.is_postfix:
            return place.host or request.host or NO_HOST, place.time
    return None


def _go_on(shipper: Shipper, notes: Console, end: End | None) -> None:
    """Take over what the log before this one left open."""
    if end is None:
        return
    try:
        # Its stamps without a year are completed by this file, not by the one before.
        shipper.connector.restore({**end.connector, "stamps": {}})
    except ValueError:
        return  # of another version of this program: read on its own
    shipper.start_counting()
    notes.print(
        f"going on from {end.file}, read to {end.last:%Y-%m-%d %H:%M:%S} UTC: "
        f"{shipper.connector.open_messages} messages were open; --afresh reads without them"
    )


def _resume(path: Path, state_file: Path, connector: PostfixConnector) -> Follower:
    try:
        position, state = load_state(state_file)
        if state is not None:
            connector.restore(state)
    except (StateFileError, ValueError) as error:
        raise ConfigurationError(str(error)) from None
    except (KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{state_file} is damaged ({error!r}); remove it to start afresh"
        ) from None
    return Follower(path, position)


def _progress(shipper: Shipper) -> str:
    counters = shipper.counters
    return (
        f"{counters['lines']} lines, {shipper.events.total()} events, "
        f"{counters['unmapped']} unmapped"
    )


async def _unless_it_hangs(stopping: Awaitable[Any]) -> None:
    """Close, but let a broker that is away not keep the command from ending."""
    try:
        await asyncio.wait_for(stopping, 5.0)
    except (TimeoutError, KafkaError):
        return
