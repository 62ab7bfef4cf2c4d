"""Who may look at the page: everybody on this machine, beyond it whoever sends the token."""

import asyncio
from base64 import b64encode

import pytest
from aiohttp.test_utils import TestClient, TestServer

from mailsla.sinks.clickhouse import ClickHouseSettings
from mailsla.streams.metrics.health import Health
from mailsla.streams.settings import ConfigurationError, Settings
from mailsla.streams.web.server import build_web, serve

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


TENANT_TOKEN = "another-secret-of-length"
PAGES = ("/tenants/acme", "/tenants/acme/month?month=2026-10", "/tenants/acme/messages?q=")
FOREIGN = (
    "/tenants/other",
    "/tenants/ACME",
    "/tenants/acme%2F..%2Fother",
    "/tenants/%2A",
    "/tenants/other/message?source=s&id=m&recipient=r",
    "/tenants/acme/evidence/operations.billing_error_rate?month=2026-10",
    "/api/tenants/other/latency?month=2026-10&span=day",
    "/api/overview",
    "/api/changes",
    "/messages?q=acme",
    "/platform",
    "/nowhere",
)


@pytest.fixture
def tokens(tmp_path):
    file = tmp_path / "tokens.yaml"
    file.write_text(f"acme: {TENANT_TOKEN}\n")
    return Settings(
        web_token=TOKEN, web_tenant_tokens=file, web_role_header="X-Role", kafka="127.0.0.1:1"
    )


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("headers", [bearer(TENANT_TOKEN), {"X-Role": "tenant:acme"}])
def test_a_tenant_sees_its_own_pages_alone(tokens, headers):
    own = statuses(tokens, *((path, headers) for path in PAGES))
    # Nobody answers behind the pages here.
    assert set(own) <= {200, 503}
    assert statuses(tokens, *((path, headers) for path in FOREIGN)) == [403] * len(FOREIGN)
    assert statuses(tokens, ("/static/style.css", headers)) == [200]


def test_a_tenant_is_led_from_the_overview_to_its_page(tokens):
    assert set(statuses(tokens, ("/", bearer(TENANT_TOKEN)))) <= {200, 503}


@pytest.mark.parametrize("headers", [bearer(TOKEN), {"X-Role": "desk"}])
def test_the_desk_sees_everything(tokens, headers):
    paths = ("/", *PAGES, "/tenants/other", "/platform", "/messages")
    assert set(statuses(tokens, *((path, headers) for path in paths))) <= {200, 503}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong-wrong-wrong-wrong"),
        {"X-Role": "tenant:*"},
        {"X-Role": "tenant:"},
        {"X-Role": "admin"},
        {"X-Role": "desk, tenant:acme"},
    ],
)
def test_who_does_not_say_who_it_is_sees_nothing(tokens, headers):
    assert statuses(tokens, ("/tenants/acme", headers), ("/", headers)) == [401, 401]


def test_a_header_is_believed_of_a_trusted_proxy_alone(tokens):
    strangers = tokens.model_copy(update={"web_proxies": "10.0.0.0/8"})
    assert statuses(strangers, ("/", {"X-Role": "desk"})) == [401]
    deaf = tokens.model_copy(update={"web_role_header": ""})
    assert statuses(deaf, ("/", {"X-Role": "desk"})) == [401]


@pytest.mark.parametrize(
    "text",
    [
        "- a",
        "acme: short",
        "'*': another-secret-of-length",
        "a: xxxxxxxxxxxxxxxx\nb: xxxxxxxxxxxxxxxx",
        "{",
    ],
)
def test_a_file_of_tokens_that_is_none_is_refused_without_telling_it(tokens, text):
    tokens.web_tenant_tokens.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        build_web(tokens, NOWHERE, Health("web"))
    assert "xxxx" not in str(refused.value)
    assert "another-secret" not in str(refused.value)


def test_proxies_have_to_be_addresses(tokens):
    with pytest.raises(ConfigurationError, match="MAILSLA_WEB_PROXIES"):
        build_web(tokens.model_copy(update={"web_proxies": "proxy"}), NOWHERE, Health("web"))


@pytest.mark.parametrize(
    "host", ["[::1", "a:b:c", "localhost:99999999", "localhost:x", "x" * 5_000]
)
def test_a_malformed_name_of_the_server_is_refused_and_no_error(host):
    (status,) = statuses(Settings(kafka="127.0.0.1:1"), ("/static/style.css", {"Host": host}))
    assert status in {400, 421} or (host, status) == ("[::1", 200)
