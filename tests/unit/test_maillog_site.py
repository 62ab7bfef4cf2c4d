"""The site from settings and arguments: what is wrong is said in a sentence with the remedy."""

import pytest

from mailsla.streams.maillog.site import configured_site, read_site
from mailsla.streams.settings import ConfigurationError, Settings


@pytest.fixture
def domains(tmp_path):
    path = tmp_path / "domains.yaml"
    path.write_text("tenant-a.test: tenant-a\n")
    return path


def test_without_a_map_there_is_no_site():
    assert configured_site(Settings()) is None


def test_the_settings_make_a_site(domains, monkeypatch):
    monkeypatch.setenv("MAILSLA_MAILLOG_TENANTS", str(domains))
    monkeypatch.setenv("MAILSLA_MAILLOG_ZONE", "Asia/Shanghai")
    monkeypatch.setenv("MAILSLA_MAILLOG_OWN_RELAYS", "10.0.0.5:25, store.test")
    site = configured_site(Settings())
    assert site.tenants.of_address("u@tenant-a.test") == "tenant-a"
    assert str(site.zone) == "Asia/Shanghai"
    assert site.own_relays.holds("store.test[10.9.9.9]:25")
    assert site.own_relays.holds("x[10.0.0.5]:25")
    assert site.own_relays.holds("127.0.0.1[127.0.0.1]:10024"), "the customary filter ports stay"


@pytest.mark.parametrize(
    ("content", "zone", "relays", "said"),
    [
        (None, "UTC", [], r"cannot be read \(No such file.*name a YAML"),
        ("- a", "UTC", [], r"is wrong: .*is not a mapping; write"),
        ("a.test: 'no tenant!'", "UTC", [], r"is wrong: .*not a tenant id; use"),
        ("\xff", "UTC", [], r"is wrong: "),
        ("a.test: a", "Mars/Olympus", [], r"no time zone 'Mars/Olympus'; write"),
        ("a.test: a", "../etc/passwd", [], r"no time zone"),
        (
            "a.test: a",
            "UTC",
            ["10.0.0.0/99"],
            r"mailbox store is malformed \(.*write a host",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, zone, relays, said):
    path = tmp_path / "map.yaml"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=said):
        read_site(path, zone, relays)
