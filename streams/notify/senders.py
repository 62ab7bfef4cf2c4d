"""Sends one notification: by HTTP or by mail. The edges of this package."""

import asyncio
import smtplib
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from mailsla.streams.notify.events import News
from mailsla.streams.notify.messages import Message, compose
from mailsla.streams.notify.routes import Chat, Mail, Route, Webhook
from mailsla.streams.notify.signing import headers
from mailsla.streams.settings import ConfigurationError

_TIMEOUT_S: Final = 10.0
_REFUSED: Final = frozenset({400, 405, 413, 415, 422})
"""What a receiver answers to a notification that it will never take."""

Send = Callable[[Sequence[News]], Awaitable[None]]
"""Sends news; returns when the receiver has them. Raises `Away` or `Refused`."""


class Away(Exception):  # noqa: N818 - a state of the receiver, which is waited out
    """The receiver did not take it now; it is tried again."""


class Refused(Exception):  # noqa: N818 - an answer, which is noted
    """The receiver will never take it."""


def sender(route: Route, session: aiohttp.ClientSession) -> Send:
    """What sends to the receiver of a route.

    Raises:
        ConfigurationError: a file with a secret cannot be read.
    """
    to = route.to
    if isinstance(to, Webhook):
        return _webhook(to, session)
    if isinstance(to, Chat):
        return _chat(to, session)
    return _mail(to)


def _webhook(to: Webhook, session: aiohttp.ClientSession) -> Send:
    secret = None if to.secret_file is None else _secret(to.secret_file)

    async def send(news: Sequence[News]) -> None:
        for one in news:
            named = headers(one.event.id, one.value, secret, int(time.time()))
            await _post(session, to.url, one.value, named)

    return send


def _chat(to: Chat, session: aiohttp.ClientSession) -> Send:
    async def send(news: Sequence[News]) -> None:
        text = compose([(one.event, one.cause) for one in news], to.lang).text
        body = orjson.dumps(_filled(to.template, text))
        await _post(session, to.url, body, {"Content-Type": "application/json"})

    return send


def _mail(to: Mail) -> Send:
    password = None if to.password_file is None else _secret(to.password_file).decode()

    async def send(news: Sequence[News]) -> None:
        told = compose([(one.event, one.cause) for one in news], to.lang)
        await asyncio.to_thread(_submit, to, password, _envelope(to, told, news[0].event.id))

    return send


def _filled(template: Any, text: str) -> Any:
    """The template with the text in every place that is marked."""
    if isinstance(template, str):
        return template.replace("{text}", text)
    if isinstance(template, Mapping):
        return {key: _filled(value, text) for key, value in template.items()}
    return [_filled(each, text) for each in template] if isinstance(template, list) else template


async def _post(
    session: aiohttp.ClientSession, url: str, body: bytes, named: Mapping[str, str]
) -> None:
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        # A redirect could lead a signed notification anywhere.
        async with session.post(
            url, data=body, headers=named, timeout=timeout, allow_redirects=False
        ) as answer:
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Away(f"{type(error).__name__}") from None
    if status in _REFUSED:
        raise Refused(f"status {status}")
    if not 200 <= status < 300:
        raise Away(f"status {status}")


def _envelope(to: Mail, told: Message, event_id: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = to.sender, ", ".join(to.to)
    mail["Subject"] = told.subject[:200]
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = make_msgid(domain=to.sender.partition("@")[2])
    # By this a receiver knows a mail that came twice.
    mail["X-Mailsla-Event"] = event_id
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(told.text + "\n")
    return mail


def _submit(to: Mail, password: str | None, mail: EmailMessage) -> None:
    context = ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(to.host, to.port, timeout=_TIMEOUT_S, context=context)
            if to.security == "tls"
            else smtplib.SMTP(to.host, to.port, timeout=_TIMEOUT_S)
        ) as server:
            if to.security == "starttls":
                server.starttls(context=context)
            if to.user is not None:
                server.login(to.user, password or "")
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        raise (Refused if min(codes) >= 500 else Away)(f"recipients refused: {codes}") from None
    except smtplib.SMTPDataError as error:
        raise (Refused if error.smtp_code >= 500 else Away)(f"code {error.smtp_code}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise Away(f"{type(error).__name__}") from None


def _secret(path: Path) -> bytes:
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(
            f"the secret in {path} cannot be read ({error.strerror}); name a readable file"
        ) from None
    if not secret:
        raise ConfigurationError(f"{path} is empty; write the secret into it")
    return secret
