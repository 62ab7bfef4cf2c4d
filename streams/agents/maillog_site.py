"""The provider's site as the mail-log assembler has to know it, from settings or arguments."""

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streams.connectors.postfix import (
    DEFAULT_OWN_RELAYS,
    OwnRelays,
    Site,
    TenantMapError,
    load_tenant_map,
)
from streams.settings import ConfigurationError, Settings


def read_site(tenants: Path, zone: str, own_relays: Sequence[str] = ()) -> Site:
    """Read the tenant map and put the site together.

    Args:
        tenants: map of mail domains to tenants (YAML, JSON or CSV).
        zone: IANA time zone of RFC 3164 stamps.
        own_relays: the provider's relays and filters, besides the customary filter ports.

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
    except ValueError as error:
        raise ConfigurationError(
            f"an own relay is malformed ({error}); "
            "write a host, host:port, [v6]:port, a network or a pipe service"
        ) from None
    return Site(tenant_map, relays, zone_of(zone))


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
    own = [entry.strip() for entry in settings.maillog_own_relays.split(",") if entry.strip()]
    return read_site(settings.maillog_tenants, settings.maillog_zone, own)
