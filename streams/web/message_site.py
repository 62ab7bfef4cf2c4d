"""The pages on which a message is looked for and shown."""

from collections.abc import Callable
from typing import Final, TypeVar

from aiohttp import web
from pydantic import SecretStr

from mailsla.schemas.codec.addresses import AddressKey
from mailsla.sinks.clickhouse import Client
from mailsla.streams.web.answers import html, language_of, read
from mailsla.streams.web.pages import Pages
from mailsla.streams.web.readings.connection import Unavailable
from mailsla.streams.web.readings.messages import find, message_of
from mailsla.streams.web.readings.reading import Reader
from mailsla.streams.web.words import word

_SEARCH_S: Final = 30.0
_LONGEST: Final = 512

T = TypeVar("T")


class MessageSite:
    """The handlers: ``/messages`` for all tenants, ``/tenants/{tenant}/messages`` for one."""

    def __init__(self, reader: Reader, pages: Pages, secret: SecretStr | None) -> None:
        self._reader, self._pages = reader, pages
        self._key = AddressKey.of(secret)

    def add_to(self, app: web.Application) -> None:
        """Give the application these addresses."""
        app.add_routes(
            [
                web.get("/messages", self.search),
                web.get("/tenants/{tenant}/messages", self.search),
                web.get("/tenants/{tenant}/message", self.message),
            ]
        )

    async def search(self, request: web.Request) -> web.Response:
        """The messages that are asked for by ``q``; a form where nothing is."""
        tenant, asked = request.match_info.get("tenant", ""), _asked(request, "q")
        found = (
            await self._ask(lambda client: find(client, tenant, asked, self._key)) if asked else []
        )
        if isinstance(found, Unavailable):
            return self._away(request, found)
        return html(request, self._pages.messages(tenant, asked, found, language_of(request)))

    async def message(self, request: web.Request) -> web.Response:
        """One message, named by ``source``, ``id`` and ``recipient``."""
        tenant = request.match_info["tenant"]
        source, name, to = (_asked(request, key) for key in ("source", "id", "recipient"))
        found = await self._ask(lambda client: message_of(client, tenant, source, name, to))
        if isinstance(found, Unavailable):
            return self._away(request, found)
        language = language_of(request)
        if found is None:
            heading, text = word("no_message", language), word("no_message_text", language)
            return html(request, self._pages.sorry(language, heading, text), 404)
        return html(request, self._pages.message(found, language))

    async def _ask(self, ask: Callable[[Client], T]) -> T | Unavailable:
        return await read(lambda: self._reader.asked(ask, _SEARCH_S), _SEARCH_S + 1)

    def _away(self, request: web.Request, why: Unavailable) -> web.Response:
        language = language_of(request)
        page = self._pages.sorry(language, word("clickhouse_away", language), str(why))
        return html(request, page, 503)


def _asked(request: web.Request, key: str) -> str:
    return request.query.get(key, "").strip()[:_LONGEST]
