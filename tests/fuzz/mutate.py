"""Makes hostile inputs of good ones; the same seed makes the same."""

import json

HOSTILE_TEXTS = [
    "", "\x00", "\x1b]0;owned\x07", "\u202e", "\ud800", "'; DROP TABLE x; --", "<script>x</script>",
    '=cmd|"/c calc"!A1', "{{7*7}}", "${jndi:ldap://x}", "../../etc/passwd", "a" * 70_000, "é" * 999,
    "0000-01", "9999-12", "2026-10-20T08:00:00", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59Z",
    "-1", "1e999", "NaN", "1" * 400, "0." + "1" * 40, "*", "a b", "\u0000", "\ufeff",
]  # fmt: skip
HOSTILE_VALUES = [
    None, True, False, 0, -1, 2**31, 2**63, 2**64, -(2**63), 10**400, 1e308, -0.0, [], {}, [[]],
    [None], {"a": {}}, *HOSTILE_TEXTS,
]  # fmt: skip


def hostile(chance, document):
    """Bytes made of one good document (a dict) by one to three changes."""
    changed = dict(document)
    for _ in range(chance.randint(1, 3)):
        name = chance.choice([*changed, "extra"])
        action = chance.random()
        if action < 0.2:
            changed.pop(name, None)
        elif action < 0.9:
            changed[name] = chance.choice(HOSTILE_VALUES)
        else:
            changed[chance.choice(HOSTILE_TEXTS)] = changed.get(name)
    data = json.dumps(changed, ensure_ascii=chance.random() < 0.5, default=str)
    return _broken(chance, data.encode("utf-8", "surrogatepass"))


def _broken(chance, data):
    """Mostly as it is; now and then cut, doubled, or with some bytes changed."""
    action = chance.random()
    if action < 0.6 or not data:
        return data
    if action < 0.7:
        return data[: chance.randrange(len(data))]
    if action < 0.75:
        return data + data
    if action < 0.8:
        return b"[" * chance.randint(1, 60_000) + data
    raw = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    return bytes(raw)
