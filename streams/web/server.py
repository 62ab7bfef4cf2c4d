"""The HTTP server of the web page; all of its addresses are only read."""

import asyncio
import hmac
import logging
import re
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeVar

from aiohttp import web
from aiohttp.typedefs import Middleware

from schemas.codec.identifiers import PLATFORM, TENANT_PATTERN
from schemas.presentation.language import LANGUAGES, Language
from sinks.clickhouse import ClickHouseSettings
from streams.metrics.health import Health
from streams.metrics.sampling import beat
from streams.settings import ConfigurationError, Settings
from streams.web.changes import Changes
from streams.web.lagging import LagWatch
from streams.web.pages import Pages
from streams.web.reading import Reader, Unavailable
from streams.web.words import word

_READ_S: Final = 5.0
_ROWS_S: Final = 35.0
"""For the rows of a hundred thousand tenants on a busy machine."""
_MONTHS_KEPT: Final = 8
_STOP_S: Final = 2.0
_TENANT: Final = re.compile(TENANT_PATTERN)
_MONTH: Final = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_TYPES: Final = {"css": "text/css", "js": "text/javascript"}
_OPEN: Final = frozenset({"/live", "/ready", "/healthz"})
"""Addresses that need no token: a probe of the platform has none, and they tell nothing."""
_YEAR_S: Final = 365 * 86_400
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

logger = logging.getLogger(__name__)

T = TypeVar("T")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def serve(settings: Settings, clickhouse: ClickHouseSettings, health: Health) -> None:
    """Serve the page until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the address of MAILSLA_WEB_HOST and MAILSLA_WEB_PORT is taken or none,
            or leaves this machine without a token.
    """
    host, port = settings.web_host, settings.web_port
    if host not in _LOOPBACK and settings.web_token is None:
        raise ConfigurationError(
            f"the web page would be open to everybody at {host}; set MAILSLA_WEB_TOKEN to a secret "
            "that visitors send as a bearer token, or MAILSLA_WEB_HOST to 127.0.0.1"
        )
    logger.info("web page at http://%s:%d", f"[{host}]" if ":" in host else host, port)
    try:
        web.run_app(
            build_web(settings, clickhouse, health),
            host=host,
            port=port,
            print=None,
            access_log=None,
            shutdown_timeout=_STOP_S,
        )
    except OSError as error:
        raise ConfigurationError(
            f"the web page cannot listen at {host}, port {port} ({error.strerror}); "
            "set MAILSLA_WEB_HOST and MAILSLA_WEB_PORT to an address of this machine that is free"
        ) from None


def build_web(
    settings: Settings, clickhouse: ClickHouseSettings, health: Health
) -> web.Application:
    """The application: pages, ``/api/…`` behind them, ``/live``, ``/ready``."""
    site = _Site(settings, clickhouse)
    middlewares: list[Middleware] = [_only_own_names] if settings.web_host in _LOOPBACK else []
    if settings.web_token is not None:
        middlewares.append(_only_with(settings.web_token.get_secret_value()))
    app = web.Application(middlewares=middlewares)
    app.add_routes(
        [
            web.get("/", site.overview),
            web.get("/tenants/{tenant}", site.tenant),
            web.get("/platform", site.platform),
            web.get("/api/overview", site.api_overview),
            web.get("/api/changes", site.api_changes),
            web.get("/static/{name}", site.static),
            web.get("/live", site.live),
            web.get("/ready", site.ready),
            web.get("/healthz", site.ready),
        ]
    )
    app.on_response_prepare.append(site.guard)
    app.cleanup_ctx.append(site.running)

    async def beating(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(beat(health))
        yield
        task.cancel()

    app.cleanup_ctx.append(beating)
    return app


class _Site:
    """The handlers. ClickHouse and Kafka are asked in threads, with a time-out."""

    def __init__(self, settings: Settings, clickhouse: ClickHouseSettings) -> None:
        self._reader = Reader(clickhouse)
        self._lag = LagWatch(settings)
        self._pages = Pages()
        self._changes = Changes(lambda: _read(self._reader.version), self._reload)
        self._rows: dict[str, bytes] = {}
        """month → the rows of the overview, as they were read last."""
        self._reading = asyncio.Lock()

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Look for changes as long as the server runs."""
        task = asyncio.create_task(self._changes.watch())
        yield
        task.cancel()
        self._lag.close()

    async def overview(self, request: web.Request) -> web.Response:
        language, month = _language(request), _month(request)
        months = await _read(self._reader.months)
        if isinstance(months, Unavailable):
            text = self._pages.overview(language, month, [], str(months))
            return _html(request, text, 503)
        return _html(request, self._pages.overview(language, month, months, None))

    async def tenant(self, request: web.Request) -> web.Response:
        tenant, month, language = request.match_info["tenant"], _month(request), _language(request)
        if tenant == PLATFORM or not _TENANT.fullmatch(tenant):
            return self._no_tenant(request, tenant)
        found = await _read(lambda: self._reader.tenant(tenant, month))
        if isinstance(found, Unavailable):
            heading = word("clickhouse_away", language)
            return _html(request, self._pages.sorry(language, heading, str(found)), 503)
        if found is None:
            return self._no_tenant(request, tenant)
        return _html(request, self._pages.tenant(found, language))

    async def platform(self, request: web.Request) -> web.Response:
        language = _language(request)
        lag, view = await asyncio.gather(self._lag.report(), _read(self._reader.platform))
        if isinstance(view, Unavailable):
            return _html(request, self._pages.platform(None, lag, language, str(view)), 503)
        return _html(request, self._pages.platform(view, lag, language, None))

    async def api_overview(self, request: web.Request) -> web.Response:
        """Every row; asked once for everybody who looks on until something has changed."""
        month = _month(request)
        await self._changes.refresh()
        if self._changes.problem is not None:
            return web.json_response({"problem": str(self._changes.problem)}, status=503)
        async with self._reading:
            text = self._rows.get(month)
            if text is None:
                read = await self._read_rows(month)
                if isinstance(read, Unavailable):
                    return web.json_response({"problem": str(read)}, status=503)
                if len(self._rows) >= _MONTHS_KEPT:
                    self._rows.clear()
                text = self._rows[month] = read
        answer = web.Response(body=text, content_type="application/json", charset="utf-8")
        answer.enable_compression()
        return answer

    async def _reload(self) -> None:
        """Read anew what is kept of the overview."""
        for month in list(self._rows):
            read = await self._read_rows(month)
            if isinstance(read, Unavailable):
                self._rows.pop(month, None)
            else:
                self._rows[month] = read

    async def _read_rows(self, month: str) -> bytes | Unavailable:
        return await _read(lambda: self._reader.overview(month), _ROWS_S)

    async def api_changes(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: ``changed``, whenever a state or a closing has landed."""
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        answer.headers["X-Accel-Buffering"] = "no"
        await answer.prepare(request)
        try:
            async for number in self._changes.follow():
                kind = "still" if number is None else "changed"
                await answer.write(f"event: {kind}\ndata: {number or 0}\n\n".encode())
        except ConnectionError:
            pass  # the visitor has gone
        return answer

    async def static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if (body := self._pages.static.get(name)) is None:
            raise web.HTTPNotFound
        return web.Response(body=body, content_type=_TYPES[name.rpartition(".")[2]])

    async def live(self, _: web.Request) -> web.Response:
        """An answer is all there is to it."""
        return web.json_response({"status": "ok"})

    async def ready(self, _: web.Request) -> web.Response:
        lag, tables = await asyncio.gather(self._lag.report(), _read(self._reader.check))
        wrong: dict[str, str] = {}
        if lag.problem:
            wrong["kafka"] = lag.problem
        if isinstance(tables, Unavailable):
            wrong["clickhouse"] = str(tables)
        if wrong:
            return web.json_response({"status": "wrong", "problems": wrong}, status=503)
        return web.json_response({"status": "ok"})

    async def guard(self, _: web.Request, response: web.StreamResponse) -> None:
        """Nothing from elsewhere is loaded, nobody frames the page, nothing of it is kept."""
        response.headers.update(
            {
                "Content-Security-Policy": _POLICY,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
            }
        )

    def _no_tenant(self, request: web.Request, tenant: str) -> web.Response:
        language = _language(request)
        explanation = word("no_tenant_text", language, tenant=tenant[:64])
        heading = word("no_tenant", language)
        return _html(request, self._pages.sorry(language, heading, explanation), 404)


async def _read(ask: Callable[[], T], within_s: float = _READ_S) -> T | Unavailable:
    """Ask in a thread; one that does not end in time ends by its own time-outs soon after."""
    try:
        async with asyncio.timeout(within_s):
            return await asyncio.to_thread(ask)
    except Unavailable as unavailable:
        return unavailable
    except TimeoutError:
        return Unavailable("ClickHouse does not answer in time; see whether it is well.")


def _language(request: web.Request) -> Language:
    """As the address asks, else as was chosen before, else as the browser prefers; else English."""
    chosen = request.query.get("lang") or request.cookies.get("lang")
    if chosen in LANGUAGES:
        return chosen
    for part in request.headers.get("Accept-Language", "").split(","):
        language = part.partition(";")[0].strip().partition("-")[0].lower()
        if language in LANGUAGES:
            return language
    return "en"


def _month(request: web.Request) -> str:
    month = request.query.get("month", "")
    return month if _MONTH.fullmatch(month) else ""


@web.middleware
async def _only_own_names(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuse other names for this machine: a foreign site could point one here and read along."""
    try:
        host = request.url.host
    except ValueError:
        host = None  # a Host header that is no name at all
    if host not in _LOOPBACK:
        return web.Response(status=421, text="This page is served to 127.0.0.1 and localhost.\n")
    return await handler(request)


def _only_with(token: str) -> Middleware:
    """Refuse whoever does not send the token: as a bearer token, or as a password of any user.

    A browser asks for a password by itself, and sends it with everything the page asks for.
    """

    @web.middleware
    async def check(request: web.Request, handler: _Handler) -> web.StreamResponse:
        given = _given(request.headers.get("Authorization", ""))
        if request.path in _OPEN or hmac.compare_digest(given, token.encode()):
            return await handler(request)
        return web.Response(
            status=HTTPStatus.UNAUTHORIZED,
            text="Send the token as: Authorization: Bearer …, or as the password of any user.\n",
            headers={"WWW-Authenticate": 'Basic realm="mailsla", charset="UTF-8"'},
        )

    return check


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


def _html(request: web.Request, text: str, status: int = 200) -> web.Response:
    answer = web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
    if (chosen := request.query.get("lang")) in LANGUAGES:
        answer.set_cookie("lang", str(chosen), max_age=_YEAR_S, samesite="Strict", httponly=True)
    return answer
