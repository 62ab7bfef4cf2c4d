"""Records for the decoders: valid events of every type, and what a hostile producer sends."""

import json

from hypothesis import strategies as st

from mailsla.schemas.codec.columns import columns
from mailsla.schemas.codec.identifiers import TENANT_PATTERN
from mailsla.schemas.registry import EVENT_TYPES

TOPICS = st.sampled_from(sorted(EVENT_TYPES))

# Bounded to what the codec lets through, so that most generated events are valid.
CLOCK = st.integers(0, 86_399_999_999).map(
    lambda us: (
        f"{us // 3_600_000_000:02}:{us // 60_000_000 % 60:02}:{us // 1_000_000 % 60:02}"
        + (f".{us % 1_000_000:06}".rstrip("0") if us % 1_000_000 else "")
    )
)
FINE_CLOCK = st.sampled_from(
    ["07:59:60", "23:59:60.5", "00:00:00.123456789", "12:00:01.999999999", "05:06:07.1234567891234"]
)
OFFSETS = st.sampled_from(["Z", "Z", "Z", "+08:00", "-11:30", "+00:00", "-00:00", "z", "+23:59"])
SEPARATORS = st.sampled_from(["T", "T", "T", "t", " "])


def instants(year):
    clocks = st.one_of(CLOCK, CLOCK, CLOCK, FINE_CLOCK)
    return st.tuples(st.integers(1, 12), st.integers(1, 28), SEPARATORS, clocks, OFFSETS).map(
        lambda p: f"{year}-{p[0]:02}-{p[1]:02}{p[2]}{p[3]}{p[4]}"
    )


ODD_INSTANTS = st.one_of(
    st.sampled_from(
        [
            "2025-10-01T00:00:00", "2025-10-01", "2025-10-01T00:00Z", "2025-10-01T00:00:00.Z",
            "2025-10-01T00:00:00.1234567Z", "2025-10-01T00:00:00.123456789Z",
            "2025-10-01T24:00:00Z",
            "2025-10-01T23:59:60Z", "2016-12-31T23:59:60.25Z", "2025-10-01T23:59:61Z",
            "9999-12-31T23:59:60Z", "1999-12-31T23:59:60Z", "2027-12-31T00:00:00Z",
            "2028-01-01T00:00:00Z", "1969-12-31T23:59:59.9999999Z",
            "2025-10-01T00:00:00+24:00", "2025-10-01T00:00:00+0800",
            "2025-10-01T00:00:00+08", "2025-10-01T00:00:00+01:60", "2025-10-01T00:00:00 +08:00",
            " 2025-10-01T00:00:00Z", "2025-10-01T00:00:00Z ", "2025-10-01T00:00:00Z\n",
            "2025-02-30T00:00:00Z", "2025-13-01T00:00:00Z", "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00Z", "2199-12-31T23:59:59.999999Z", "2200-01-01T00:00:00Z",
            "1999-12-31T23:59:59.999999Z", "2000-01-01T00:00:00Z", "20251001T000000.000Z",
            "2025-10-01T00:00:00,5Z", "２０２５-10-01T00:00:00Z", "2025-W40-3T00:00:00Z",
            "2025-10-01T00:00:00\u0000Z", "-025-10-01T00:00:00Z", "+2025-10-01T00:00:00Z",
            "2025-12-31T00:00:00Z", "2025-12-31T00:00:00.000001Z", "",
        ]
    ),
    st.text("0123456789-:.TZ+ tz", min_size=15, max_size=32),
)  # fmt: skip

TEXTS = st.one_of(
    st.text("abcXYZ019._-@/ ", min_size=1, max_size=12),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.sampled_from(
        ["Info@example.org", "NaN", ": NaN", "Infinity", "{[{[", "*", "\u0000", "}\n{"]
    ),
)
LENGTHS = st.sampled_from([1, 63, 64, 65, 127, 128, 129, 256, 257, 320, 321])
LONG_TEXTS = st.builds(lambda n, c: c * n, LENGTHS, st.sampled_from(["x", "é", "客", "😀"]))

WEIRD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from(
        [0, 1, -1, 9, 10, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 0.0]
    ),
    st.floats(allow_nan=True, allow_infinity=True),
    TEXTS,
    LONG_TEXTS,
    ODD_INSTANTS,
    st.sampled_from(["0001-01", "0000-01", "1999-12", "2028-01", "9999-12", "2027-12", "2025-13"]),
    st.sampled_from(["1", "12.50", "1.1234567", "12.50\n", "Infinity", "1e3", "", "acme\n", "*"]),
    st.lists(st.one_of(st.integers(-1, 11), st.none(), st.text(max_size=2)), max_size=11),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


def values(column, rule):
    """Values that mostly fit the rule."""
    match column.kind:
        case "choice":
            return st.sampled_from(sorted(rule.choices))
        case "instant":
            return instants(2023 if column.name == "starts_at" else 2024)
        case "integer":
            return st.integers(int(rule.at_least), 2**31 - 1)
        case "real":
            return st.one_of(st.integers(1, 10**9), st.floats(0.001, 1e9))
        case "flag":
            return st.booleans()
        case "money":
            return st.decimals(-(10**12), 10**12, places=6).map(str)
        case "sections":
            return st.lists(st.integers(1, 9), max_size=9)
    if rule.choices:
        return st.sampled_from(sorted(rule.choices))
    if column.name == "billing_month":
        return st.sampled_from(["2025-01", "2000-01", "2027-12"])
    if column.name == "currency":
        return st.sampled_from(["CNY", "EUR"])
    if rule.pattern == TENANT_PATTERN:
        return st.sampled_from(["acme", "a", "t" * 64, "A.b_c-9"])
    longest = st.sampled_from(["x", "é", "客", "😀"]).map(lambda sign: sign * rule.max_length)
    return st.one_of(TEXTS, TEXTS, TEXTS, TEXTS, longest)


@st.composite
def documents(draw, topic):
    """One valid event as an object."""
    name = draw(st.sampled_from(sorted(EVENT_TYPES[topic])))
    document = {}
    for column in columns(topic):
        rule = column.rules.get(name)
        if rule is None:
            continue
        if rule.required or draw(st.booleans()):
            document[column.name] = draw(values(column, rule))
    document["type"] = name
    if EVENT_TYPES[topic][name].platform_allowed and draw(st.booleans()):
        document["tenant_id"] = "*"
    document["time"] = draw(instants(2025))
    return document


def written(document):
    return json.dumps(document, ensure_ascii=False).encode()


FRAGMENTS = st.sampled_from(
    [
        *(bytes([sign]) for sign in b'{}[]",:\\\n\t\0 '),
        *b"}{ }\n{ \r\n \\u0000 \\ud800 \\udc00 \\ud83d\\ude00 // /**/".split(b" "),
        *b"NaN Infinity -Infinity Inf null true 1e999 1e3 1.0 -0 01 +1 .5 1.".split(),
        *(b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc2\xa0"),
        *(b"[" * depth + b"]" * depth for depth in (90, 199, 250)),
        *(b'{"a":' * depth + b"1" + b"}" * depth for depth in (90, 120, 250)),
        *(b"1" * 4200, b"1" * 4400, b" " * 5000, b'"' + b"x" * 66_000 + b'"'),
    ]
)


@st.composite
def altered(draw, topic):
    """An event with a field set to something odd, dropped, doubled, or of another type."""
    document = draw(documents(topic))
    names = [column.name for column in columns(topic)]
    kind = draw(st.sampled_from(["set", "set", "set", "drop", "double", "nest", "extra", "time"]))
    name = draw(st.sampled_from(names))
    if kind == "set":
        return written(document | {name: draw(WEIRD)})
    if kind == "time":
        times = [c.name for c in columns(topic) if c.kind == "instant"]
        return written(document | {draw(st.sampled_from(times)): draw(ODD_INSTANTS)})
    if kind == "drop":
        document.pop(draw(st.sampled_from(sorted(document))))
        return written(document)
    if kind == "extra":
        return written(document)[:-1] + b', "x": ' + draw(FRAGMENTS) + b"}"
    if kind == "nest":
        return written({**document, "unknown": {name: document}})
    # The same name twice, first or last with another value.
    again = written({name: draw(st.one_of(WEIRD, st.just(document.get(name))))})
    whole = written(document)
    return draw(st.sampled_from([whole[:-1] + b", " + again[1:], again[:-1] + b", " + whole[1:]]))


@st.composite
def mangled(draw, topic):
    """The bytes of an event cut, flipped, joined or with something put in."""
    raw = draw(documents(topic).map(written))
    at = draw(st.integers(0, len(raw)))
    match draw(
        st.sampled_from(["flip", "cut", "tail", "insert", "replace", "join", "pad", "noise"])
    ):
        case "flip":
            at = min(at, len(raw) - 1)
            return raw[:at] + bytes([raw[at] ^ (1 << draw(st.integers(0, 7)))]) + raw[at + 1 :]
        case "cut":
            return raw[:at]
        case "tail":
            return raw[:at] + b"}"
        case "insert":
            return raw[:at] + draw(FRAGMENTS) + raw[at:]
        case "replace":
            return raw[:at] + draw(FRAGMENTS) + raw[at + 1 :]
        case "join":
            between = draw(st.sampled_from([b"", b"\n", b"\0", b",", b" ", b"\r\n"]))
            return raw + between + draw(documents(topic).map(written))
        case "pad":
            return draw(st.sampled_from([b" ", b"\n", b"\t", b"\0", b"\xef\xbb\xbf"])) + raw + b"\n"
    return b"{" + draw(st.binary(max_size=60)) + b"}"


@st.composite
def batches(draw):
    """A topic and a batch of its records: mostly good, some altered or mangled, tombstones."""
    topic = draw(TOPICS)
    good = documents(topic).map(written)
    record = st.one_of(good, good, altered(topic), altered(topic), mangled(topic), st.none())
    return topic, draw(st.lists(record, max_size=12))
