"""Who may look at what: the desk at everything, a tenant at its own pages.

A visitor is known by a token, or by the header of a proxy that is trusted. Where neither is set,
whoever reaches the page is the desk: then it is served to this machine alone.
"""

import hmac
import ipaddress
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import yaml
from aiohttp import web
from aiohttp.typedefs import Middleware

from mailsla.schemas.codec.identifiers import PLATFORM, TENANT_PATTERN
from mailsla.streams.settings import ConfigurationError, Settings

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_OPEN: Final = frozenset({"/live", "/ready", "/healthz"})
"""Addresses that need no token: a probe of the platform has none, and they tell nothing."""
_FOR_ALL: Final = "/static/{name}"
_DESK_EVIDENCE: Final = "operations.billing_error_rate"
"""Its rows name other customers."""
_NAME: Final = re.compile(TENANT_PATTERN)
_SHORTEST: Final = 16
_DESK: Final = "desk"
_TENANT: Final = "tenant:"
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Visitor:
    """Somebody who looks at the page; without a tenant it is the desk."""

    tenant: str | None = None


visitor: ContextVar[Visitor] = ContextVar("visitor", default=Visitor())  # noqa: B039 - frozen
"""Who asks, while a request is answered."""


def is_guarded(settings: Settings) -> bool:
    """Whether a visitor has to say who it is."""
    return bool(settings.web_token or settings.web_tenant_tokens or settings.web_role_header)


def guards(settings: Settings) -> list[Middleware]:
    """What a request has to pass.

    Raises:
        ConfigurationError: the file of the tenants' tokens or the proxies are none.
    """
    own_names: list[Middleware] = [_only_own_names] if settings.web_host in LOOPBACK else []
    return [*own_names, _only_known(settings)] if is_guarded(settings) else own_names


def tenant_tokens(path: Path) -> dict[str, str]:
    """Tenant → its token, from a YAML or JSON file.

    Raises:
        ConfigurationError: it cannot be read, or holds something else.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        raise ConfigurationError(
            f"the file {path} of MAILSLA_WEB_TENANT_TOKENS cannot be read; write lines such as "
            "acme: TOKEN"
        ) from None
    if not isinstance(document, dict) or not all(map(_is_entry, document.items())):
        # Nothing of the file: it holds secrets.
        raise ConfigurationError(
            f"{path} has to map tenants to tokens of {_SHORTEST} characters or more, all different"
        )
    if len(set(document.values())) < len(document):
        raise ConfigurationError(f"{path} gives two tenants the same token; make another one")
    return document


def _is_entry(entry: tuple[object, object]) -> bool:
    tenant, token = entry
    return is_tenant(tenant) and isinstance(token, str) and len(token) >= _SHORTEST


def is_tenant(name: object) -> bool:
    """Whether it can be the name of one tenant."""
    return isinstance(name, str) and name != PLATFORM and bool(_NAME.fullmatch(name))


@web.middleware
async def _only_own_names(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuse other names for this machine: a foreign site could point one here and read along."""
    try:
        host = request.url.host
    except ValueError:
        host = None  # a Host header that is no name at all
    if host not in LOOPBACK:
        return web.Response(status=421, text="This page is served to 127.0.0.1 and localhost.\n")
    return await handler(request)


def _only_known(settings: Settings) -> Middleware:
    """Refuse whoever does not say who it is, and tenants what is not theirs."""
    file = settings.web_tenant_tokens
    tokens: list[tuple[bytes, Visitor]] = [
        (token.encode(), Visitor(tenant))
        for tenant, token in (tenant_tokens(file) if file else {}).items()
    ]
    if settings.web_token is not None:
        tokens.append((settings.web_token.get_secret_value().encode(), Visitor()))
    header, proxies = settings.web_role_header, _proxies(settings.web_proxies)

    @web.middleware
    async def check(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if request.path in _OPEN:
            return await handler(request)
        found = _by_token(request.headers.get("Authorization", ""), tokens)
        if found is None and header and _is_proxy(request.remote, proxies):
            found = _by_header(request.headers.getall(header, []))
        if found is None:
            return _unknown()
        visitor.set(found)
        if found.tenant is None:
            return await handler(request)
        if request.path == "/":
            raise web.HTTPFound(f"/tenants/{found.tenant}")
        if not _is_own(request, found.tenant):
            return web.Response(status=HTTPStatus.FORBIDDEN, text="This is not for you to see.\n")
        return await handler(request)

    return check


def _is_own(request: web.Request, tenant: str) -> bool:
    """Whether the page is the tenant's; what the address names decides, however it is written."""
    resource = request.match_info.route.resource
    if resource is None:
        return False
    if resource.canonical == _FOR_ALL:
        return True
    if request.match_info.get("indicator") == _DESK_EVIDENCE:
        return False
    return request.match_info.get("tenant") == tenant


def _by_token(authorization: str, tokens: list[tuple[bytes, Visitor]]) -> Visitor | None:
    """Whose token it is: as a bearer token, or as a password of any user.

    A browser asks for a password by itself, and sends it with everything the page asks for.
    """
    given, found = _given(authorization), None
    for token, owner in tokens:
        # Every token is compared, so that the time says nothing of which one it is.
        if hmac.compare_digest(given, token):
            found = owner
    return found


def _by_header(roles: list[str]) -> Visitor | None:
    """``desk`` or ``tenant:ID``, once."""
    if roles == [_DESK]:
        return Visitor()
    if len(roles) == 1 and roles[0].startswith(_TENANT):
        tenant = roles[0].removeprefix(_TENANT)
        return Visitor(tenant) if is_tenant(tenant) else None
    return None


def _proxies(text: str) -> tuple[_Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigurationError(
            "MAILSLA_WEB_PROXIES is no list of addresses; write such as 127.0.0.1,10.0.0.0/24"
        ) from None


def _is_proxy(remote: str | None, proxies: tuple[_Network, ...]) -> bool:
    try:
        address = ipaddress.ip_address(remote or "")
    except ValueError:
        return False
    return any(address in network for network in proxies)


def _unknown() -> web.Response:
    return web.Response(
        status=HTTPStatus.UNAUTHORIZED,
        text="Send the token as: Authorization: Bearer …, or as the password of any user.\n",
        headers={"WWW-Authenticate": 'Basic realm="mailsla", charset="UTF-8"'},
    )


def _given(authorization: str) -> bytes:
    """The token of an Authorization header; empty where there is none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("utf-8", "surrogateescape")
    try:
        decoded = b64decode(value, validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        return b""
    return decoded.partition(b":")[2]
