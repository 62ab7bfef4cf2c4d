"""What every handler needs: to read in a thread, to know what is asked for, to answer with HTML."""

import asyncio
import re
from collections.abc import Callable
from datetime import date
from typing import Final, TypeVar

from aiohttp import web

from mailsla.schemas.presentation.language import LANGUAGES, Language
from mailsla.streams.web.readings.connection import Unavailable

READ_S: Final = 5.0
_MONTH: Final = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_YEAR_S: Final = 365 * 86_400

T = TypeVar("T")


async def read(ask: Callable[[], T], within_s: float = READ_S) -> T | Unavailable:
    """Ask in a thread; one that does not end in time ends by its own time-outs soon after."""
    try:
        async with asyncio.timeout(within_s):
            return await asyncio.to_thread(ask)
    except Unavailable as unavailable:
        return unavailable
    except TimeoutError:
        return Unavailable("ClickHouse does not answer in time; see whether it is well.")


def language_of(request: web.Request) -> Language:
    """As the address asks, else as was chosen before, else as the browser prefers; else English."""
    chosen = request.query.get("lang") or request.cookies.get("lang")
    if chosen in LANGUAGES:
        return chosen
    for part in request.headers.get("Accept-Language", "").split(","):
        language = part.partition(";")[0].strip().partition("-")[0].lower()
        if language in LANGUAGES:
            return language
    return "en"


def month_of(request: web.Request) -> str:
    """The month that is asked for; empty where none is."""
    month = request.query.get("month", "")
    return month if _MONTH.fullmatch(month) else ""


def html(request: web.Request, text: str, status: int = 200) -> web.Response:
    """A page; the language that was asked for is remembered."""
    answer = web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
    if (chosen := request.query.get("lang")) in LANGUAGES:
        answer.set_cookie("lang", str(chosen), max_age=_YEAR_S, samesite="Strict", httponly=True)
    return answer


def first_day(month: str) -> date:
    """The first day of a month that `month_of` gave."""
    return date.fromisoformat(f"{month}-01")
