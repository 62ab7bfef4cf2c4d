"""The HTTP server of the web page; all of its addresses are only read."""

import asyncio
import gzip
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
from mailsla.streams.web.message_site import MessageSite
from mailsla.streams.web.overview_rows import KeptOverview
from mailsla.streams.web.pages import Pages
from mailsla.streams.web.readings.connection import Unavailable
from mailsla.streams.web.readings.lagging import LagWatch
from mailsla.streams.web.readings.reading import Reader
from mailsla.streams.web.readings.sources import feeding
from mailsla.streams.web.tenants import TenantSite
from mailsla.streams.web.words import word

_ROWS_S: Final = 35.0
"""For the rows of a hundred thousand tenants on a busy machine."""
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
        self._kept = KeptOverview(lambda: read(self._reader.version), self._read_rows)

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Read the overview and look for changes as long as the server runs."""
        task = asyncio.create_task(self._kept.follow())
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
        rows = await self._kept.answer(month_of(request))
        if isinstance(rows, Unavailable):
            return web.json_response({"problem": str(rows)}, status=503)
        headers = {"X-Change": str(rows.change), "Vary": "Accept-Encoding"}
        body = rows.packed
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
        else:
            body = await asyncio.to_thread(gzip.decompress, body)
        return web.Response(
            body=body, headers=headers, content_type="application/json", charset="utf-8"
        )

    async def _read_rows(self, month: str) -> bytes | Unavailable:
        # That a server is away shows in a short question, without the patience for a long one.
        version = await read(self._reader.version)
        if isinstance(version, Unavailable):
            return version
        return await read(lambda: self._reader.overview(month), _ROWS_S)

    async def api_changes(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events with the number of the last state or closing that has landed.

        ``changed`` where it is another than before, else ``still``.
        """
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        answer.headers["X-Accel-Buffering"] = "no"
        await answer.prepare(request)
        before: int | None = None
        try:
            async for number in self._kept.changes.follow():
                kind = "still" if before in {None, number} else "changed"
                await answer.write(f"event: {kind}\ndata: {number}\n\n".encode())
                before = number
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
        elif not self._kept.is_warm:
            wrong["overview"] = "the rows of the overview are being read for the first time"
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
