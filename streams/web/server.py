"""The HTTP server of the web page; all of its addresses are only read."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from mailsla.sinks.clickhouse import ClickHouseSettings
from mailsla.streams.metrics.health import Health
from mailsla.streams.metrics.sampling import beat
from mailsla.streams.settings import ConfigurationError, Settings
from mailsla.streams.web.access import LOOPBACK, guards, is_guarded
from mailsla.streams.web.answers import html, language_of, month_of, read
from mailsla.streams.web.changes import PageChanges
from mailsla.streams.web.message_site import MessageSite
from mailsla.streams.web.pages import Pages
from mailsla.streams.web.readings.connection import Unavailable
from mailsla.streams.web.readings.lagging import LagWatch
from mailsla.streams.web.readings.reading import Reader
from mailsla.streams.web.readings.sources import feeding
from mailsla.streams.web.tenants import TenantSite
from mailsla.streams.web.words import word

_ROWS_S: Final = 35.0
"""For the rows of a hundred thousand tenants on a busy machine."""
_MONTHS_KEPT: Final = 8
_STOP_S: Final = 2.0
_TYPES: Final = {"css": "text/css", "js": "text/javascript"}
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

logger = logging.getLogger(__name__)


def serve(settings: Settings, clickhouse: ClickHouseSettings, health: Health) -> None:
    """Serve the page until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the address of MAILSLA_WEB_HOST and MAILSLA_WEB_PORT is taken or none,
            or leaves this machine without a token; the file of the tenants' tokens is none.
    """
    host, port = settings.web_host, settings.web_port
    if host not in LOOPBACK and not is_guarded(settings):
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
    pages = Pages()
    site = _Site(settings, clickhouse, pages)
    app = web.Application(middlewares=guards(settings))
    app.add_routes(
        [
            web.get("/", site.overview),
            web.get("/platform", site.platform),
            web.get("/platform/sources", site.sources),
            web.get("/api/overview", site.api_overview),
            web.get("/api/changes", site.api_changes),
            web.get("/static/{name}", site.static),
            web.get("/live", site.live),
            web.get("/ready", site.ready),
            web.get("/healthz", site.ready),
        ]
    )
    MessageSite(Reader(clickhouse), pages, settings.address_key).add_to(app)
    TenantSite(Reader(clickhouse), pages, settings.web_statements).add_to(app)
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

    def __init__(self, settings: Settings, clickhouse: ClickHouseSettings, pages: Pages) -> None:
        self._settings = settings
        self._reader = Reader(clickhouse)
        self._lag = LagWatch(settings)
        self._pages = pages
        self._changes = PageChanges(lambda: read(self._reader.version), self._reload)
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
        language, month = language_of(request), month_of(request)
        months = await read(self._reader.months)
        if isinstance(months, Unavailable):
            text = self._pages.overview(language, month, [], str(months))
            return html(request, text, 503)
        return html(request, self._pages.overview(language, month, months, None))

    async def platform(self, request: web.Request) -> web.Response:
        language = language_of(request)
        lag, view = await asyncio.gather(self._lag.report(), read(self._reader.platform))
        if isinstance(view, Unavailable):
            return html(request, self._pages.platform(None, lag, language, str(view)), 503)
        return html(request, self._pages.platform(view, lag, language, None))

    async def sources(self, request: web.Request) -> web.Response:
        """Silent and late sources, and conflicts; a week of events is read for it."""
        language = language_of(request)
        view = await read(lambda: self._reader.asked(feeding, _ROWS_S), _ROWS_S + 1)
        if isinstance(view, Unavailable):
            heading = word("clickhouse_away", language)
            return html(request, self._pages.sorry(language, heading, str(view)), 503)
        return html(request, self._pages.sources(view, self._settings, language))

    async def api_overview(self, request: web.Request) -> web.Response:
        """Every row; asked once for everybody who looks on until something has changed."""
        month = month_of(request)
        await self._changes.refresh()
        if self._changes.problem is not None:
            return web.json_response({"problem": str(self._changes.problem)}, status=503)
        async with self._reading:
            text = self._rows.get(month)
            if text is None:
                fresh = await self._read_rows(month)
                if isinstance(fresh, Unavailable):
                    return web.json_response({"problem": str(fresh)}, status=503)
                if len(self._rows) >= _MONTHS_KEPT:
                    self._rows.clear()
                text = self._rows[month] = fresh
        answer = web.Response(body=text, content_type="application/json", charset="utf-8")
        answer.enable_compression()
        return answer

    async def _reload(self) -> None:
        """Read anew what is kept of the overview."""
        for month in list(self._rows):
            fresh = await self._read_rows(month)
            if isinstance(fresh, Unavailable):
                self._rows.pop(month, None)
            else:
                self._rows[month] = fresh

    async def _read_rows(self, month: str) -> bytes | Unavailable:
        # That a server is away shows in a short question, without the patience for a long one.
        version = await read(self._reader.version)
        if isinstance(version, Unavailable):
            return version
        return await read(lambda: self._reader.overview(month), _ROWS_S)

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
        lag, tables = await asyncio.gather(self._lag.report(), read(self._reader.check))
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
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        response.headers.update(
            {
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
            }
        )
