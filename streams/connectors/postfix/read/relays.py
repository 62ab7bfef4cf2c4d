"""Where an attempt went: a foreign system, an own relay or content filter, a mailbox, nowhere.

The send latency of contract §2 ends when transmission to the destination system starts, so
only an attempt that faces a foreign system is a start. A hop into a content filter or to an
own relay is not, and neither is a failure that never left the host (a transport that is not
running, a hold, maintenance of the provider). A lookup of the destination's name that fails is
the first attempt, unless lookups fail for many domains at once (`resolver.Resolver`).

Relays are compared with daemon, port and socket in view: `store1` names the host that smtp(8)
relays to, not the mailboxes that lmtp(8) delivers to on it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Final, NamedTuple

from mailsla.streams.connectors.postfix.read.lines import StatusLine

# The ports on which after-queue content filters conventionally listen on their own host.
DEFAULT_OWN_RELAYS: Final = tuple(
    f"{host}:{port}" for host in ("127.0.0.1", "[::1]") for port in range(10024, 10030)
)

_RELAY: Final = re.compile(r"(?P<name>[^\[]*)(?:\[(?P<address>[^\]]*)\])?(?::(?P<port>\d+))?$")
_ENTRY: Final = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<host>[^:]+|.*:.*:.*?))(?::(?P<port>\d+))?$")
_REACHED_FOR: Final = re.compile(
    r"(?:delivery temporarily suspended: )?"
    r"(?:connect to|lost connection with|conversation with|host) (\S+?\[[^\]]*\](?::\d+)?)[: ]"
)
_LOOKUP: Final = re.compile(
    r"(?:delivery temporarily suspended: )?"
    r"(?:.*Name service error for (?:name=|domain )(?P<name>\S+?):?(?: type=(?P<type>\w+).*)?$"
    r"|unable to look up host (?P<host>\S+?):"
    r"|TLSA lookup error for (?P<tlsa>\S+?)(?::\d+)?$"
    r"|Host (?:or domain name )?not found)"
)
_REFUSES_MAIL: Final = re.compile(r"Domain \S+ does not accept mail")
_SUSPENDED: Final = "delivery temporarily suspended: "
_CACHE_LIMIT: Final = 16_384

_MAILBOX_DAEMONS: Final = frozenset({"lmtp", "local", "virtual", "pipe"})
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Facing(Enum):
    """What an attempt faced."""

    FOREIGN = auto()
    OWN_RELAY = auto()
    MAILBOX = auto()
    DISCARD = auto()
    LOOKUP = auto()
    NOTHING = auto()


class _Entry(NamedTuple):
    host: str
    network: _Network | None
    port: str | None


class OwnRelays:
    """The provider's own relays and content filters, as the status lines name them.

    Entries: a host name or address, `host:port`, `[v6]:port`, a network (`10.0.0.0/8`), a
    pipe(8) service name, or a socket path. Raises ValueError for a malformed network.
    """

    def __init__(self, entries: Iterable[str] = DEFAULT_OWN_RELAYS) -> None:
        self._entries = [_parse_entry(entry) for entry in entries]
        self._known: dict[str, bool] = {}

    def holds(self, relay: str) -> bool:
        """Whether `relay` (`name[address]:port`, a service, a socket) is one of them."""
        known = self._known.get(relay)
        if known is None:
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            known = self._known[relay] = self._compare(relay, any_port=False)
        return known

    def holds_exactly(self, relay: str) -> bool:
        """Whether `relay` is one of them by its socket, its service name or its port."""
        return self._compare(relay, any_port=False, exact=True)

    def holds_host(self, client: str) -> bool:
        """Whether a client (`name[address]`) is this host or the host of an own relay."""
        key = f"host {client}"
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            known = self._known[key] = is_loopback(client) or self._compare(client, any_port=True)
        return known

    def _compare(self, relay: str, *, any_port: bool, exact: bool = False) -> bool:
        match = _RELAY.match(relay)
        if match is None:
            return False
        name, address, port = match["name"].lower(), match["address"] or "", match["port"]
        for entry in self._entries:
            if not any_port and entry.port is not None and entry.port != port:
                continue
            if exact and entry.port is None and "/" not in entry.host:
                continue
            if entry.host in (name, address.lower()) or (
                entry.network is not None and _inside(address or name, entry.network)
            ):
                return True
        return False


def _parse_entry(entry: str) -> _Entry:
    entry = entry.strip().lower()
    if entry.startswith("/"):
        path, slash, bits = entry, "", ""
    else:
        path, slash, bits = entry.partition("/")
    if slash and bits.partition(":")[0].isdigit():
        bits, _, port = bits.partition(":")
        network = ipaddress.ip_network(f"{path.strip('[]')}/{bits}", strict=False)
        return _Entry("", network, port or None)
    match = None if entry.startswith("/") else _ENTRY.match(entry)
    if match is None:
        return _Entry(entry, None, None)
    return _Entry(match["v6"] or match["host"], None, match["port"])


def _inside(address: str, network: _Network) -> bool:
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False


def is_loopback(client: str) -> bool:
    """Whether a client or relay (`name[address]:port`) is this host itself."""
    match = _RELAY.match(client)
    try:
        return match is not None and ipaddress.ip_address(match["address"] or "").is_loopback
    except ValueError:
        return False


def faced(
    daemon: str,
    status: StatusLine,
    own: OwnRelays,
    stores: OwnRelays,
    hands_on: Callable[[str, str], bool],
    *,
    recipient_is_ours: bool,
) -> Facing:
    """What an attempt of `daemon` faced; error(8) and retry(8) are told by their text.

    Args:
        daemon: the delivery daemon.
        status: its status line.
        own: the provider's relays and filters.
        stores: hosts that are the mailbox for whoever is relayed to them.
        hands_on: whether a daemon's relay is known to have handed messages on.
        recipient_is_ours: whether the recipient's domain is a tenant's.
    """
    if daemon == "discard":
        return Facing.DISCARD
    target = status.relay
    if target == "none":
        match = _REACHED_FOR.match(status.text)
        target = match[1] if match is not None else ""
    if not target:
        return _not_reached(daemon, status, own, recipient_is_ours)
    is_socket = "[/" in target or "[private/" in target
    if daemon in _MAILBOX_DAEMONS or is_socket:
        known = hands_on(daemon, target)
        if daemon == "lmtp" or is_socket:
            known = known or own.holds_exactly(target)
        elif daemon == "pipe":
            known = known or own.holds(target)
        return Facing.OWN_RELAY if known else Facing.MAILBOX
    if recipient_is_ours and stores.holds(target):
        return Facing.MAILBOX
    if own.holds(target) or stores.holds(target) or hands_on("smtp", target):
        return Facing.OWN_RELAY
    if status.relay == "none" and daemon != "smtp":
        if not status.text.startswith(_SUSPENDED):
            return Facing.NOTHING
        # error(8) does not say which transport is suspended: mail for an own domain was on its
        # way to the mailbox.
        return Facing.MAILBOX if recipient_is_ours else Facing.FOREIGN
    return Facing.FOREIGN


def _not_reached(
    daemon: str, status: StatusLine, own: OwnRelays, recipient_is_ours: bool
) -> Facing:
    """What was faced where no server was: a mailbox here, a name that was not found, nothing."""
    if daemon in _MAILBOX_DAEMONS:
        return Facing.MAILBOX
    if _REFUSES_MAIL.match(status.text):
        return Facing.FOREIGN  # its name servers say so
    match = _LOOKUP.match(status.text)
    if match is None or recipient_is_ours:
        return Facing.NOTHING
    name = match["name"] or match["host"] or match["tlsa"]
    if name is not None and own.holds(name):
        return Facing.OWN_RELAY
    domain = status.recipient.rpartition("@")[2].lower()
    if match["type"] == "MX" and name.lower() != domain:
        return Facing.NOTHING  # the next hop is named by our own routing
    return Facing.LOOKUP
