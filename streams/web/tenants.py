"""The pages of one tenant: its month, what stands behind it, its latency, its closings."""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Final, TypeVar

from aiohttp import web

from mailsla.schemas.codec.identifiers import PLATFORM, TENANT_PATTERN
from mailsla.schemas.indicators import INDICATORS
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.statement.facts.gather import closed_revisions
from mailsla.sinks.statement.making import Format, file_name
from mailsla.streams.web.answers import first_day, html, language_of, month_of, read
from mailsla.streams.web.pages import Pages
from mailsla.streams.web.readings.closings import closing_history
from mailsla.streams.web.readings.connection import Unavailable
from mailsla.streams.web.readings.latencies import STRETCHES, Stretch, latencies
from mailsla.streams.web.readings.month import evidence_rows, month_facts, period_in
from mailsla.streams.web.readings.reading import Reader
from mailsla.streams.web.words import word

_FACTS_S: Final = 60.0
"""For what is worked out of facts."""
_STATEMENT: Final[Mapping[Format, Mapping[str, str]]] = {
    "html": {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "frame-ancestors 'none'",
    },
    "pdf": {"Content-Type": "application/pdf"},
}
"""A statement is one file that loads nothing; its style stands in it."""
_TENANT: Final = re.compile(TENANT_PATTERN)

T = TypeVar("T")


class TenantSite:
    """The handlers under ``/tenants/{tenant}`` and ``/api/tenants/{tenant}``."""

    def __init__(self, reader: Reader, pages: Pages, statements: Path | None) -> None:
        self._reader, self._pages, self._statements = reader, pages, statements

    def add_to(self, app: web.Application) -> None:
        """Give the application these addresses."""
        own = "/tenants/{tenant}"
        app.add_routes(
            [
                web.get(own, self.overview),
                web.get(f"{own}/month", self.month),
                web.get(f"{own}/evidence/{{indicator}}", self.evidence),
                web.get(f"{own}/closings", self.closings),
                web.get(f"{own}/statement", self.statement),
                web.get(f"/api{own}/latency", self.api_latency),
            ]
        )

    async def overview(self, request: web.Request) -> web.Response:
        """Everything of a month that is quickly read."""
        tenant, month, language = _tenant(request), month_of(request), language_of(request)
        found = await read(lambda: self._reader.tenant(tenant, month)) if tenant else None
        if isinstance(found, Unavailable):
            return self._away(request, found)
        if found is None:
            return self._missing(request)
        return html(request, self._pages.tenant(found, language))

    async def month(self, request: web.Request) -> web.Response:
        """Time-line, fault calendar and open cases."""
        tenant, month = _tenant(request), _chosen(request)
        facts = await self._worked_out(lambda client: month_facts(client, tenant, month))
        if isinstance(facts, Unavailable):
            return self._away(request, facts)
        return html(request, self._pages.month(tenant, facts, language_of(request)))

    async def evidence(self, request: web.Request) -> web.Response:
        """The rows a figure is made of."""
        tenant, month = _tenant(request), _chosen(request)
        indicator = request.match_info["indicator"]
        if indicator not in INDICATORS:
            raise web.HTTPNotFound
        asked = await self._worked_out(
            lambda client: (
                period_in(client, tenant, month),
                evidence_rows(client, tenant, indicator, month),
            )
        )
        if isinstance(asked, Unavailable):
            return self._away(request, asked)
        page = self._pages.evidence(tenant, indicator, *asked, language_of(request))
        return html(request, page)

    async def closings(self, request: web.Request) -> web.Response:
        """Every revision of a month, and what each changed."""
        tenant, month = _tenant(request), _chosen(request)
        history = await self._worked_out(lambda client: closing_history(client, tenant, month))
        if isinstance(history, Unavailable):
            return self._away(request, history)
        return html(request, self._pages.closings(tenant, month, history, language_of(request)))

    async def statement(self, request: web.Request) -> web.StreamResponse:
        """The statement of a revision, as `mailsla statement --all` left it in the directory."""
        tenant, month, language = _tenant(request), _chosen(request), language_of(request)
        number = request.query.get("revision", "0")
        revision = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else 0
        found = await self._worked_out(
            lambda client: closed_revisions(client, month, [tenant], revision)
        )
        if isinstance(found, Unavailable):
            return self._away(request, found)
        if found and self._statements is not None:
            for kind, headers in _STATEMENT.items():
                path = self._statements / file_name(found[0], month, language, kind)
                if await asyncio.to_thread(path.is_file):
                    return web.FileResponse(path, headers=headers)
        heading = word("no_statement", language)
        command = f"mailsla statement --tenant {tenant} --month {month:%Y-%m} --lang {language}"
        text = word("no_statement_text", language, command=command)
        return html(request, self._pages.sorry(language, heading, text), 404)

    async def api_latency(self, request: web.Request) -> web.Response:
        """The series of the latency chart."""
        tenant, month = _tenant(request), _chosen(request)
        stretch = _stretch(request)
        series = await self._worked_out(lambda client: latencies(client, tenant, month, stretch))
        if isinstance(series, Unavailable):
            return web.json_response({"problem": str(series)}, status=503)
        return web.json_response(series)

    async def _worked_out(self, ask: Callable[[Client], T]) -> T | Unavailable:
        return await read(lambda: self._reader.asked(ask, _FACTS_S), _FACTS_S + 1)

    def _away(self, request: web.Request, why: Unavailable) -> web.Response:
        language = language_of(request)
        page = self._pages.sorry(language, word("clickhouse_away", language), str(why))
        return html(request, page, 503)

    def _missing(self, request: web.Request) -> web.Response:
        language = language_of(request)
        tenant = request.match_info["tenant"][:64]
        explanation = word("no_tenant_text", language, tenant=tenant)
        page = self._pages.sorry(language, word("no_tenant", language), explanation)
        return html(request, page, 404)


def _tenant(request: web.Request) -> str:
    """The tenant of the address; empty where there can be none of that name."""
    tenant = request.match_info["tenant"]
    return tenant if tenant != PLATFORM and _TENANT.fullmatch(tenant) else ""


def _chosen(request: web.Request) -> date:
    """The first day of the month that is asked for; there has to be one."""
    month = month_of(request)
    if not month:
        raise web.HTTPBadRequest(text="Name a month: ?month=2026-10\n")
    return first_day(month)


def _stretch(request: web.Request) -> Stretch:
    asked = request.query.get("span", "month")
    for stretch in STRETCHES:
        if asked == stretch:
            return stretch
    raise web.HTTPBadRequest(text="Name a span: hour, day or month\n")
