"""``mailsla up``."""

import http.client
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from mailsla.sinks.embedded.children import Child
from mailsla.sinks.embedded.credentials import CLOSER, WEB, WRITER
from mailsla.sinks.embedded.state_file import StackState
from mailsla.sinks.embedded.supervisor import StackPlan, run_stack, worker_child
from mailsla.streams.cli.support.common import console
from mailsla.streams.maillog.site import configured_site, read_site
from mailsla.streams.settings import load

DEFAULT_DATA = Path.home() / ".local" / "share" / "mailsla"
_HEALTH_S: Final = 1.0


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    show_default="~/.local/share/mailsla",
    help="Data directory; kept across restarts.",
)
@click.option(
    "--broker",
    type=click.Choice(["tansu", "kafka"]),
    default="tansu",
    show_default=True,
    help="tansu: in memory, nothing to install; kafka: Apache Kafka, durable, needs Java 17.",
)
@click.option("--kafka-port", default=29092, show_default=True, help="0 = any free port.")
@click.option("--clickhouse-port", default=28123, show_default=True, help="HTTP; 0 = any free.")
@click.option("--web-port", default=28080, show_default=True, help="0 = any free port.")
@click.option(
    "--state-file",
    "own_state_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Written when ready, removed at the end.",
)
@click.option(
    "--domain-tenant",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Map of mail domains to tenants: has raw.maillog assembled into events.",
)
@click.option(
    "--closer",
    is_flag=True,
    help="Also close each month by calendar, as mailsla worker closer does.",
)
@click.pass_context
def up(
    ctx: click.Context,
    data: Path,
    broker: str,
    kafka_port: int,
    clickhouse_port: int,
    web_port: int,
    own_state_file: Path | None,
    domain_tenant: Path | None,
    closer: bool,
) -> None:
    """Start everything on this machine, in the foreground, on loopback only.

    Broker, ClickHouse server (HTTP and native protocol), topics, schema, both workers and the
    web page; prints the addresses, then `ready`. A worker that dies is started again, with a line
    here; one that cannot go on until somebody acts stays down and says why. SIGTERM or Ctrl-C stops
    all of it.
    """
    state_file = own_state_file or (ctx.obj or {}).get("state_file")
    plan = stack_plan(
        data, broker, kafka_port, clickhouse_port, web_port, state_file, domain_tenant, closer
    )

    def announce(state: StackState) -> None:
        out = console()
        out.print(f"kafka       {state.kafka}")
        out.print(f"clickhouse  {state.clickhouse} (native {state.clickhouse_native})")
        if state.web:
            out.print(f"web         {state.web}")
        out.print(f"data        {state.data} (state.json there: addresses and passwords)")
        out.print("ready")

    ctx.exit(run_stack(plan, announce, say=lambda line: console().print(line, markup=False)))


def stack_plan(
    data: Path,
    broker: str,
    kafka_port: int = 0,
    clickhouse_port: int = 0,
    web_port: int = 0,
    state_file: Path | None = None,
    domain_tenant: Path | None = None,
    closer: bool = False,
) -> StackPlan:
    """The whole stack: broker, ClickHouse, topics, schema, both workers, the web page, a closer.

    Raises:
        ConfigurationError: mail logs are to be assembled and their tenant map is wrong.

    """
    maillog: dict[str, Path] = {}
    if domain_tenant is not None:
        read_site(domain_tenant, "UTC")  # a wrong map is told before anything starts
        maillog["maillog_tenants"] = domain_tenant.absolute()
    return StackPlan(
        data=data,
        broker="kafka" if broker == "kafka" else "tansu",
        kafka_port=kafka_port,
        clickhouse_port=clickhouse_port,
        web_port=web_port,
        state_file=state_file,
        children=partial(_workers, maillog=maillog, closer=closer),
    )


def _workers(state: StackState, maillog: Mapping[str, Path], closer: bool) -> Iterator[Child]:
    """Topics and tables first, then the workers that need them."""
    from mailsla.sinks.clickhouse import connect
    from mailsla.sinks.retention import wanted_days
    from mailsla.sinks.schema import install_schema
    from mailsla.sinks.worker import clickhouse_settings
    from mailsla.streams.runtime.kafka.admin import ensure_topics
    from mailsla.streams.runtime.kafka.drain import announce_maillog

    settings = load(**state.access(), **maillog)
    ensure_topics(settings)
    install_schema(connect(clickhouse_settings(settings)), wanted_days(settings))
    streams = worker_child("streams", state)
    if configured_site(settings) is not None:
        announce_maillog(settings)
        variables = {**streams.env, "MAILSLA_MAILLOG_TENANTS": str(settings.maillog_tenants)}
        streams = replace(streams, env=variables)
    yield streams
    yield worker_child("sinks", state, clickhouse_user=WRITER)
    if state.web is not None:
        yield _web_child(state, state.web)
    if closer:
        yield worker_child("closer", state, clickhouse_user=CLOSER)


def _web_child(state: StackState, url: str) -> Child:
    """The web page at ``url``; ready when it finds everything well."""
    address = urlsplit(url)
    host, port = str(address.hostname), int(address.port or 0)
    child = worker_child("web", state, clickhouse_user=WEB)
    variables = {**child.env, "MAILSLA_WEB_HOST": host, "MAILSLA_WEB_PORT": str(port)}
    return replace(child, env=variables, ready=lambda: _is_well(host, port))


def _is_well(host: str, port: int) -> bool:
    """Whether ``/healthz`` answers 200."""
    connection = http.client.HTTPConnection(host, port, timeout=_HEALTH_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
