"""``mailsla ship``: a real system's logs turned into events."""

import asyncio
import gzip
import hashlib
import logging
import os
import signal
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import click
from aiokafka.errors import KafkaError
from rich.console import Console

from schemas.topics import MTA
from streams.agents.maillog_site import read_site, zone_of
from streams.agents.shipping import CHUNK_LINES, Following, Shipper, ShippingError, ship_all
from streams.cli.common import console, settings_of, state_file_option
from streams.cli.errors import CommandError
from streams.connectors.bounded import LineSplitter
from streams.connectors.follow import Follower, StateFileError, load_state, read_lines
from streams.connectors.postfix import PostfixConnector
from streams.runtime.admin import administration
from streams.runtime.delivery import start_producer
from streams.runtime.kafka_probe import probe
from streams.settings import ConfigurationError, Settings

_STDIN: Final = "-"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_READ_BYTES: Final = 65_536
_EXPLAINED: Final = {
    "unmapped": "results of domains the map does not name",
    "unparsed": "no log lines",
    "unreadable": "records no line can be made of",
    "evicted": "messages given up unfinished: too many or too old",
}


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
    "--position-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where --follow remembers its place.  [default: under XDG_STATE_HOME]",
)
@click.option("--host", help="Host of records that name none.")
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
    position_file: Path | None,
    host: str | None,
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

    --follow keeps its place in a file, saved only after the broker has acknowledged, and goes
    on from there when started again: killed at any moment, nothing is lost and nothing counts
    twice. SIGTERM or Ctrl-C ends it.
    """  # noqa: D301
    settings = settings_of(ctx, own_state_file)
    _check_use(file, follow, position_file)
    tenants = domain_tenant or settings.maillog_tenants
    if tenants is None:
        raise ConfigurationError(
            "whose mail it is must be known; name a map with --domain-tenant or "
            "MAILSLA_MAILLOG_TENANTS"
        )
    zone_name = zone or settings.maillog_zone
    configured = [entry.strip() for entry in settings.maillog_own_relays.split(",")]
    site = read_site(tenants, zone_name, [*filter(None, configured), *own_relays])
    connector = PostfixConnector(site, _reference(file, zone_name, year))
    request = _Request(file, follow, position_file, host, settings, connector)
    try:
        complete = asyncio.run(_run(request))
    except ShippingError as error:
        raise CommandError(str(error)) from None
    except (OSError, EOFError, zlib.error) as error:
        raise CommandError(f"{file} cannot be read to its end ({error})") from None
    if not complete:
        raise click.Abort


def _check_use(file: str, follow: bool, position_file: Path | None) -> None:
    if file == _STDIN:
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
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Path(home) / "mailsla" / "ship" / f"{path.name}-{digest}.json"


def _reference(file: str, zone: str, year: int | None) -> datetime:
    """A moment the log's first line is not later than."""
    if year is not None:
        return datetime(year + 1, 1, 1, tzinfo=zone_of(zone))
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


async def _run(request: _Request) -> bool:
    """Ship until the end, or until a stop signal; whether the end was reached."""
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
    _summarise(shipper)
    return complete


async def _ship(
    request: _Request, shipper: Shipper, notes: Console, progress: Callable[[Shipper], None]
) -> bool:
    if not request.follow:
        return await ship_all(shipper, _chunks(request.file, shipper.stop), progress)
    state_file = _position_path(request.file, request.position_file)
    state_file.parent.mkdir(parents=True, exist_ok=True)
    follower = _resume(Path(request.file), state_file, request.connector)
    place = follower.position
    where = "from the beginning" if place is None else f"from byte {place.offset}"
    notes.print(f"following {request.file} {where}; the place is kept in {state_file}")
    shipper.start_counting()
    await Following(shipper, follower, state_file).run(progress)
    return True


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


async def _chunks(file: str, stop: asyncio.Event) -> AsyncIterator[list[bytes]]:
    """The lines of a finished log, or of standard input as they come."""
    if file == _STDIN:
        async for lines in _stdin_chunks(stop):
            yield lines
        return
    lines_left = read_lines(Path(file))
    while not stop.is_set() and (lines := list(islice(lines_left, CHUNK_LINES))):
        yield lines


async def _stdin_chunks(stop: asyncio.Event) -> AsyncIterator[list[bytes]]:
    """Standard input, read in a thread: a read that waits must not keep a signal waiting."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[list[bytes] | Exception | None] = asyncio.Queue(maxsize=4)

    def put(item: list[bytes] | Exception | None) -> None:
        asyncio.run_coroutine_threadsafe(queue.put(item), loop).result()

    def read() -> None:
        try:
            _read_stdin(put)
            put(None)
        except (OSError, EOFError, zlib.error) as error:
            put(error)

    # A daemon: nobody can wake it from its read when the command ends before its input.
    threading.Thread(target=read, daemon=True, name="stdin").start()
    stopping = asyncio.ensure_future(stop.wait())
    while True:
        taking = asyncio.ensure_future(queue.get())
        await asyncio.wait({taking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not taking.done():
            taking.cancel()
            return
        item = taking.result()
        if item is None:
            stopping.cancel()
            return
        if isinstance(item, Exception):
            raise item
        yield item


def _read_stdin(put: Callable[[list[bytes]], None]) -> None:
    # Its own descriptor: Python closes sys.stdin at exit, under the feet of a waiting read.
    source = os.fdopen(os.dup(0), "rb")
    stream: IO[bytes] | gzip.GzipFile = source
    if source.peek(2)[:2] == _GZIP_MAGIC:
        stream = gzip.GzipFile(fileobj=source)
    splitter = LineSplitter()
    while block := stream.read1(_READ_BYTES):  # type: ignore[union-attr]
        if lines := splitter.feed(block):
            put(lines)
    if rest := splitter.rest():
        put([rest])


def _progress(shipper: Shipper) -> str:
    counters = shipper.counters
    return (
        f"{counters['lines']} lines, {shipper.events.total()} events, "
        f"{counters['unmapped']} unmapped"
    )


def _summarise(shipper: Shipper) -> None:
    counters, out = shipper.counters, console()
    kinds = ", ".join(
        f"{kind.removeprefix('message.')} {count}" for kind, count in sorted(shipper.events.items())
    )
    out.print(f"lines       {counters['lines'] + counters['unparsed'] + counters['unreadable']}")
    sent = f"events      {shipper.events.total()}" + (f"  ({kinds})" if kinds else "")
    out.print(sent, soft_wrap=True)
    for name, meaning in _EXPLAINED.items():
        if counters[name]:
            out.print(f"{name:<11} {counters[name]}  {meaning}")


async def _unless_it_hangs(stopping: Awaitable[Any]) -> None:
    """Close, but let a broker that is away not keep the command from ending."""
    try:
        await asyncio.wait_for(stopping, 5.0)
    except (TimeoutError, KafkaError):
        return
