"""Postfix mail logs → `mail.mta` events. Pure: lines and time come in, events go out."""

from mailsla.streams.connectors.postfix.connector import NO_HOST, Location, PostfixConnector
from mailsla.streams.connectors.postfix.read.relays import DEFAULT_OWN_RELAYS, OwnRelays
from mailsla.streams.connectors.postfix.site import Limits, Site
from mailsla.streams.connectors.postfix.tenants import TenantMap, TenantMapError, load_tenant_map

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
