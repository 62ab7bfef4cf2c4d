"""The tenant map and the own relays, as operators write them."""

import pytest

from mailsla.streams.connectors.postfix import OwnRelays, TenantMap, TenantMapError, load_tenant_map


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("map.yaml", "a.test: t1\n'*.b.test': t2\n"),
        ("map.yml", "t1: [a.test]\nt2:\n  - '*.b.test'\n"),
        ("map.json", '{"A.test": "t1", ".b.test": "t2"}'),
        ("map.csv", "domain,tenant\n# ours\n\na.test, t1\n*.b.test,t2\n"),
    ],
)
def test_every_form_of_the_map(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    tenants = load_tenant_map(path)
    assert tenants.of_address("U@A.TEST") == "t1"
    assert tenants.of_address("u@x.y.b.test") == "t2"
    assert tenants.of_address("u@b.test") is None, "a wildcard covers what is below"
    assert tenants.of_address("u@xa.test") is None
    assert tenants.of_address("root") is tenants.of_address("") is tenants.of_address(None) is None


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("map.yaml", "a: [", "syntax"),
        ("map.yaml", "- a", "not a mapping"),
        ("map.yaml", "a: {b: c}", "write a tenant id"),
        ("map.json", "{", "syntax"),
        ("map.csv", "a.test,t1,x", "3 columns"),
        ("map.csv", "a.test,not ok", "not a tenant id"),
        ("map.csv", "*.,t1", "empty domain"),
        ("map.csv", "a.test,t1\nA.test,t2", "are the same name"),
        ("map.yaml", "a.test: t1\na.test: t2", "stands here twice"),
        ("map.json", '{"a.test": "t1", "a.test": "t2"}', "are the same name"),
        ("map.yaml", "straße.test: t1\nxn--strae-oqa.test: t2", "are the same name"),
        ("map.yaml", "t1: [例子.公司]\nt2: [xn--fsqu00a.xn--55qx5d]", "are the same name"),
    ],
)
def test_a_wrong_map_is_named_with_the_remedy(tmp_path, name, text, says):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(TenantMapError, match=says):
        load_tenant_map(path)


def test_an_exact_domain_comes_before_a_wildcard_and_scripts_compare_equal():
    tenants = TenantMap({"*.a.test": "all", "x.a.test": "one", "例子.公司": "cn"})
    assert tenants.of_domain("x.a.test") == "one"
    assert tenants.of_domain("y.a.test") == "all"
    assert tenants.of_domain("xn--fsqu00a.xn--55qx5d") == tenants.of_domain("例子.公司") == "cn"


@pytest.mark.parametrize(
    ("entry", "relay", "own"),
    [
        ("127.0.0.1:10024", "127.0.0.1[127.0.0.1]:10024", True),
        ("127.0.0.1:10024", "127.0.0.1[127.0.0.1]:2601", False),
        ("amavis.test", "amavis.test[10.1.2.3]:10024", True),
        ("10.0.0.0/8", "amavis.test[10.1.2.3]:10024", True),
        ("store", "store[10.1.2.3]:25", True),
        ("10.0.0.0/8:25", "amavis.test[10.1.2.3]:10024", False),
        ("10.0.0.0/8", "mx[192.0.2.1]:25", False),
        ("[::1]:10026", "localhost[::1]:10026", True),
        ("2001:db8::/32", "mx[2001:db8::5]:25", True),
        ("spamfilter", "spamfilter", True),
        ("/run/filter", "mx[/run/filter]", True),
        ("private/filter", "mx[private/filter]", True),
        ("mx", "none", False),
    ],
)
def test_own_relays(entry, relay, own):
    relays = OwnRelays([entry])
    assert relays.holds(relay) is own
    assert relays.holds(relay) is own, "and from memory"


def test_a_client_on_this_host_or_on_an_own_relays_host_may_hand_mail_back():
    relays = OwnRelays(["filter.test:10024", "10.0.0.7:10024"])
    assert relays.holds_host("localhost[127.0.0.1]")
    assert relays.holds_host("unknown[::1]")
    assert relays.holds_host("filter.test[10.0.0.9]")
    assert relays.holds_host("unknown[10.0.0.7]")
    assert not relays.holds_host("far[192.0.2.9]")
    assert not relays.holds_host("unknown[unknown]")
