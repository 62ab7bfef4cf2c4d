"""Postfix mail logs → `mail.mta` events. Pure: lines and time come in, events go out."""

from streams.connectors.postfix.connector import NO_HOST, Location, PostfixConnector
from streams.connectors.postfix.read.relays import DEFAULT_OWN_RELAYS, OwnRelays
from streams.connectors.postfix.site import Limits, Site
from streams.connectors.postfix.tenants import TenantMap, TenantMapError, load_tenant_map

__all__ = [
    "DEFAULT_OWN_RELAYS",
    "NO_HOST",
    "Limits",
    "Location",
    "OwnRelays",
    "PostfixConnector",
    "Site",
    "TenantMap",
    "TenantMapError",
    "load_tenant_map",
]
