"""Who may look at the page: everybody on this machine, beyond it whoever sends the token."""

import asyncio
from base64 import b64encode

import pytest
from aiohttp.test_utils import TestClient, TestServer

from sinks.clickhouse import ClickHouseSettings
from streams.metrics.health import Health
from streams.settings import ConfigurationError, Settings
from streams.web.server import build_web, serve

TOKEN = "a-secret-of-some-length"
NOWHERE = ClickHouseSettings(url="http://127.0.0.1:1")


def statuses(settings, *requests):
    """The status of each (path, headers)."""

    async def ask():
        async with TestClient(TestServer(build_web(settings, NOWHERE, Health("web")))) as client:
            return [(await client.get(path, headers=headers)).status for path, headers in requests]

    return asyncio.run(ask())


def test_without_a_token_nobody_beyond_this_machine_is_served():
    open_to_all = Settings(web_host="0.0.0.0", web_port=1)
    with pytest.raises(ConfigurationError, match="MAILSLA_WEB_TOKEN"):
        serve(open_to_all, NOWHERE, Health("web"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Basic {b64encode(f'desk:{TOKEN}'.encode()).decode()}"}, 200),
        ({"Authorization": f"Basic {b64encode(f'{TOKEN}:desk'.encode()).decode()}"}, 401),
        ({}, 401),
    ],
)
def test_a_page_beyond_this_machine_needs_the_token(headers, status):
    settings = Settings(web_host="0.0.0.0", web_token=TOKEN, kafka="127.0.0.1:1")
    assert statuses(settings, ("/static/style.css", headers)) == [status]


def test_a_probe_of_the_platform_needs_none():
    settings = Settings(web_host="0.0.0.0", web_token=TOKEN, kafka="127.0.0.1:1")
    assert statuses(settings, ("/live", {})) == [200]


def test_a_short_token_is_refused():
    with pytest.raises(ValueError, match="web_token"):
        Settings(web_token="short")
