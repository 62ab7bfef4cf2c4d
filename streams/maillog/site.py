"""The provider's site as the mail-log assembler has to know it, from settings or arguments."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mailsla.streams.connectors.postfix import (
    DEFAULT_OWN_RELAYS,
    Limits,
    OwnRelays,
    Site,
    TenantMapError,
    load_tenant_map,
)
from mailsla.streams.settings import ConfigurationError, Settings

_QUEUE_LIFETIME_DAYS: Final = 5.0
_MARGIN: Final = timedelta(days=1)


def read_site(
    tenants: Path,
    zone: str,
    own_relays: Sequence[str] = (),
    mailbox_stores: Sequence[str] = (),
    queue_lifetime_days: float = _QUEUE_LIFETIME_DAYS,
) -> Site:
    """Read the tenant map and put the site together.

    Args:
        tenants: map of mail domains to tenants (YAML, JSON or CSV).
        zone: IANA time zone of RFC 3164 stamps.
        own_relays: the provider's relays and filters, besides the customary filter ports.
        mailbox_stores: hosts reached by SMTP that keep the mailboxes.
        queue_lifetime_days: Postfix's `maximal_queue_lifetime`.

    Raises:
        ConfigurationError: an unreadable map, an unknown zone, a malformed relay.

    """
    try:
        tenant_map = load_tenant_map(tenants)
    except OSError as error:
        raise ConfigurationError(
            f"the domain-tenant map {tenants} cannot be read ({error.strerror}); "
            "name a YAML, JSON or CSV file that maps mail domains to tenants"
        ) from None
    except (TenantMapError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the domain-tenant map {tenants} is wrong: {error}") from None
    try:
        relays = OwnRelays([*DEFAULT_OWN_RELAYS, *own_relays])
        stores = OwnRelays(mailbox_stores)
    except ValueError as error:
        raise ConfigurationError(
            f"an own relay or mailbox store is malformed ({error}); "
            "write a host, host:port, [v6]:port, a network or a pipe service"
        ) from None
    limits = Limits(age=timedelta(days=queue_lifetime_days) + _MARGIN)
    return Site(tenant_map, relays, zone_of(zone), limits, stores)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of a name.

    Raises:
        ConfigurationError: there is none.

    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"there is no time zone {name!r}; write an IANA name such as Asia/Shanghai or UTC"
        ) from None


def configured_site(settings: Settings) -> Site | None:
    """The site of ``MAILSLA_MAILLOG_*``; None when no tenant map is configured.

    Raises:
        ConfigurationError: see `read_site`.

    """
    if settings.maillog_tenants is None:
        return None
    return read_site(
        settings.maillog_tenants,
        settings.maillog_zone,
        entries_of(settings.maillog_own_relays),
        entries_of(settings.maillog_mailbox_stores),
        settings.maillog_queue_lifetime_days,
    )


def entries_of(text: str) -> list[str]:
    """The entries of a list with commas."""
    return [entry.strip() for entry in text.split(",") if entry.strip()]
