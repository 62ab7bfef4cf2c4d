"""Whether what a command names exists, looked up in ClickHouse before anything is done with it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from kafka.errors import KafkaError

from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.ddl import FACT_TABLES
from mailsla.streams.cli.support.clickhouse_reading import reading
from mailsla.streams.cli.support.errors import CommandError, suggestion
from mailsla.streams.runtime.kafka.drain import await_facts
from mailsla.streams.settings import ConfigurationError, Settings

LANDING_S: Final = 10.0
"""How long what was published a moment ago is waited for; it lands within a second or two."""

_NAMED: Final = ("contracts", "closing_log", "status")
"""Tables with few rows that name most tenants; suggestions come from them."""
_KNOWN: Final = "\nUNION DISTINCT\n".join(
    f"SELECT DISTINCT toString(tenant_id) FROM {table} WHERE tenant_id IN {{names:Array(String)}}"  # noqa: S608 - constants
    for table in (*_NAMED, *sorted(FACT_TABLES.values()))
)
_NAMES: Final = "\nUNION DISTINCT\n".join(
    f"SELECT DISTINCT toString(tenant_id) FROM {table}"  # noqa: S608 - constants
    for table in _NAMED
)
_IDS: Final = {
    "exclusion": "SELECT exclusion_id FROM exclusions WHERE tenant_id = {tenant:String}",
    "incident": "SELECT DISTINCT incident_id FROM ops_events "
    "WHERE tenant_id = {tenant:String} AND type = 'incident.opened'",
    "outage": "SELECT DISTINCT outage_id FROM ops_events "
    "WHERE tenant_id = {tenant:String} AND type = 'outage.declared'",
}
_LISTED: Final = {"exclusion": "exclude", "incident": "incident"}
"""Kind → the command whose `list` shows what there is."""


def check_tenants(client: Client, names: Sequence[str], remedy: str = "") -> None:
    """Return when every tenant is known by a contract, a closing or an event.

    Raises:
        CommandError: one is not; the sentence names the nearest that is, and the remedy.

    """
    wanted = [name for name in names if name != PLATFORM]
    if not wanted:
        return
    found = {row[0] for row in client.query(_KNOWN, parameters={"names": wanted}).result_rows}
    for name in wanted:
        if name not in found:
            known = [row[0] for row in client.query(_NAMES).result_rows]
            raise CommandError(f"no tenant {name} is known{suggestion(name, known)}{remedy}")


def check_new_fact(settings: Settings, tenant: str) -> None:
    """Refuse a fact about a tenant that nobody knows; raises as `check_tenants`, `reading`."""

    def check(client: Client) -> None:
        check_tenants(client, [tenant], "; where a new one is meant, add --new-tenant")

    _looked_up(settings, check, "--new-tenant")


def check_event(settings: Settings, topic: str, source: str, name: str) -> None:
    """Refuse to void an event that never came; raises as `check_id`."""
    query = (
        f"SELECT 1 FROM {FACT_TABLES[topic]} "  # noqa: S608 - constants
        "WHERE source = {source:String} AND id = {id:String} LIMIT 1"
    )

    def check(client: Client) -> None:
        parameters = {"source": source, "id": name}
        if not client.query(query, parameters=parameters).result_rows:
            raise CommandError(
                f"no event of {topic} has come from {source} under the id {name}; where it is "
                "still to come, add --unchecked"
            )

    _looked_up(settings, check, "--unchecked")


def check_listed(settings: Settings, tenant: str | None) -> None:
    """Refuse to list what there is of a tenant that nobody knows; None: of everybody."""
    if tenant is not None:
        _looked_up(settings, lambda client: check_tenants(client, [tenant]), "")


def check_id(settings: Settings, kind: str, tenant: str, name: str) -> None:
    """Refuse the id of an exclusion, an incident or an outage that this tenant does not have.

    Raises:
        CommandError: there is none; the sentence names the nearest.
        ConfigurationError: no ClickHouse answers.

    """

    def check(client: Client) -> None:
        known = {
            row[0] for row in client.query(_IDS[kind], parameters={"tenant": tenant}).result_rows
        }
        if name not in known:
            command = _LISTED.get(kind)
            see = f"; see mailsla {command} list --tenant '{tenant}'" if command else ""
            raise CommandError(f"{tenant} has no {kind} {name}{suggestion(name, known)}{see}")

    _looked_up(settings, check, "--unchecked")


def _looked_up(settings: Settings, check: Callable[[Client], None], option: str) -> None:
    """Check, and once more when everything has landed that was on its way."""
    try:
        with reading(settings) as client:
            try:
                check(client)
            except CommandError:
                with suppress(ConfigurationError, KafkaError):
                    await_facts(settings, LANDING_S)
                check(client)
    except ConfigurationError as error:
        if not option:
            raise
        raise ConfigurationError(f"{error}; or skip the check with {option}") from None
