"""The HTTP server of the web page: three addresses, all of them only read."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from aiohttp import web

from schemas.identifiers import PLATFORM, TENANT_PATTERN
from sinks.clickhouse import ClickHouseSettings
from streams.metrics.health import Health
from streams.metrics.sampling import beat
from streams.settings import ConfigurationError, Settings
from streams.web.lagging import LagWatch
from streams.web.pages import Pages
from streams.web.reading import Reader, Unavailable

_READ_S: Final = 5.0
_STOP_S: Final = 2.0
_TENANT: Final = re.compile(TENANT_PATTERN)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

logger = logging.getLogger(__name__)

T = TypeVar("T")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def serve(settings: Settings, clickhouse: ClickHouseSettings, health: Health) -> None:
    """Serve the page until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the address of MAILSLA_WEB_HOST and MAILSLA_WEB_PORT is taken or none.
    """
    host, port = settings.web_host, settings.web_port
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
    """The application: ``/``, ``/tenants/{tenant}``, ``/live``, ``/ready``, ``/healthz``."""
    site = _Site(settings, clickhouse)
    middlewares = [_only_own_names] if settings.web_host in _LOOPBACK else []
    app = web.Application(middlewares=middlewares)
    app.add_routes(
        [
            web.get("/", site.overview),
            web.get("/tenants/{tenant}", site.tenant),
            web.get("/live", site.live),
            web.get("/ready", site.healthz),
            web.get("/healthz", site.healthz),
        ]
    )
    app.on_response_prepare.append(site.guard)
    app.on_cleanup.append(site.close)

    async def beating(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(beat(health))
        yield
        task.cancel()

    app.cleanup_ctx.append(beating)
    return app


class _Site:
    """The pages' handlers. ClickHouse and Kafka are asked in threads, with a time-out."""

    def __init__(self, settings: Settings, clickhouse: ClickHouseSettings) -> None:
        self._reader = Reader(clickhouse)
        self._lag = LagWatch(settings)
        self._pages = Pages()
        self._policy = (
            f"default-src 'none'; style-src {self._pages.style_source}; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    async def overview(self, _: web.Request) -> web.Response:
        lag, view = await asyncio.gather(self._lag.report(), _read(self._reader.overview))
        if isinstance(view, Unavailable):
            return _html(self._pages.overview(None, lag, str(view)), 503)
        return _html(self._pages.overview(view, lag, None))

    async def tenant(self, request: web.Request) -> web.Response:
        tenant = request.match_info["tenant"]
        if tenant == PLATFORM or not _TENANT.fullmatch(tenant):
            return self._no_tenant(tenant)
        found = await _read(lambda: self._reader.tenant(tenant))
        if isinstance(found, Unavailable):
            return _html(self._pages.sorry("ClickHouse cannot be read", str(found)), 503)
        return _html(self._pages.tenant(found)) if found else self._no_tenant(tenant)

    async def live(self, _: web.Request) -> web.Response:
        """An answer is all there is to it."""
        return web.json_response({"status": "ok"})

    async def healthz(self, _: web.Request) -> web.Response:
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
                "Content-Security-Policy": self._policy,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
            }
        )

    async def close(self, _: web.Application) -> None:
        self._lag.close()

    def _no_tenant(self, tenant: str) -> web.Response:
        explanation = f"Nothing is known of a tenant named {tenant[:64]}."
        return _html(self._pages.sorry("No such tenant", explanation), 404)


async def _read(ask: Callable[[], T]) -> T | Unavailable:
    """Ask in a thread; one that does not end in time ends by its own time-outs soon after."""
    try:
        async with asyncio.timeout(_READ_S):
            return await asyncio.to_thread(ask)
    except Unavailable as unavailable:
        return unavailable
    except TimeoutError:
        return Unavailable("ClickHouse does not answer in time; see whether it is well.")


@web.middleware
async def _only_own_names(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuse other names for this machine: a foreign site could point one here and read along."""
    if request.url.host not in _LOOPBACK:
        return web.Response(status=421, text="This page is served to 127.0.0.1 and localhost.\n")
    return await handler(request)


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
