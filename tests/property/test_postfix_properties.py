"""What must hold of the connector for every way of feeding it."""

import json
import random
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from mailsla.streams.connectors.postfix import PostfixConnector, Site, TenantMap
from mailsla.streams.connectors.stamps import StampReader, rfc3339, to_datetime, to_micros
from mailsla.streams.connectors.syslog import parse_line

CORPUS = Path(__file__).parents[1] / "corpora" / "postfix"
SITE = Site(TenantMap({"tenant-a.test": "tenant-a", "tenant-b.test": "tenant-b"}))
REFERENCE = datetime(2026, 11, 23, tzinfo=UTC)
LOGS = {
    name: (CORPUS / name).read_bytes().splitlines()
    for name in ("mail.rfc3339.longid.log", "maillog")
}


def ship(lines, connector=None):
    connector = connector or PostfixConnector(SITE, REFERENCE)
    return [event for line in lines for event in connector.feed(line)]


WHOLE = {name: ship(lines) for name, lines in LOGS.items()}
names = st.sampled_from(sorted(LOGS))


@settings(max_examples=25, deadline=None)
@given(name=names, cuts=st.lists(st.integers(0, 1900), max_size=4))
def test_a_restart_anywhere_changes_nothing(name, cuts):
    lines = LOGS[name]
    connector, events, done = PostfixConnector(SITE, REFERENCE), [], 0
    for cut in [*sorted(cuts), len(lines)]:
        events += ship(lines[done:cut], connector)
        done = max(done, cut)
        saved = json.dumps(connector.snapshot())
        connector = PostfixConnector(SITE, REFERENCE)
        connector.restore(json.loads(saved))
        assert json.dumps(connector.snapshot()) == saved
    assert events == WHOLE[name]


@settings(max_examples=15, deadline=None)
@given(name=names, cut=st.integers(0, 1500), again=st.integers(0, 400))
def test_lines_sent_again_name_the_same_events(name, cut, again):
    lines = LOGS[name]
    repeated = ship(lines[:cut] + lines[max(0, cut - again) :])
    assert {event["id"] for event in repeated} >= {event["id"] for event in WHOLE[name]}
    by_id = {event["id"]: event for event in WHOLE[name]}
    fresh = ship(lines + lines)
    assert {event["id"] for event in fresh} == by_id.keys()
    assert all(event == by_id[event["id"]] for event in fresh)


def reordered(lines, seed, reach):
    """Lines of independent processes written up to `reach` seconds late, each in its order."""
    chance, last, keyed = random.Random(seed), {}, []
    for line in lines:
        parsed = parse_line(line.decode(), StampReader())
        delay = chance.random() * reach * 1e6 if "smtp[" in line.decode() else 0.0
        process = parsed.program + parsed.pid
        last[process] = max(last.get(process, 0), parsed.stamp + delay)
        keyed.append((last[process], line))
    return [line for _, line in sorted(keyed, key=lambda entry: entry[0])]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), reach=st.sampled_from([0.001, 0.02, 0.5, 5.0]))
def test_delivery_lines_written_late_make_the_same_events(seed, reach):
    def as_set(events):
        return sorted(json.dumps(event, sort_keys=True) for event in events)

    name = "mail.rfc3339.longid.log"
    assert as_set(ship(reordered(LOGS[name], seed, reach))) == as_set(WHOLE[name])


@settings(max_examples=15, deadline=None)
@given(name=names, start=st.integers(0, 1800), end=st.integers(0, 1900), cut=st.integers(0, 60))
def test_a_truncated_log_never_fails_and_an_upper_bound_is_one(name, start, end, cut):
    lines = LOGS[name][start:end]
    if lines:
        lines[-1] = lines[-1][:cut]
    latencies = {finished(event): latency(event) for event in WHOLE[name] if finished(event)}
    recipients = {key[2] for key in latencies}
    for event in ship(lines):
        assert event.get("accepted_at", event["time"]) <= event["time"]
        key = finished(event)
        if key and event.get("attempt", 1) == 1:
            assert key[2] in recipients, "nothing is made up"
            if key in latencies and event["estimate"] == "upper_bound":
                # Delays have two significant digits, stamps of one log whole seconds.
                assert latency(event) >= latencies[key] - 1.1


def finished(event):
    """(queue id, type, recipient) of an event that ends a latency."""
    if event["type"] not in ("message.dispatched", "message.delivered"):
        return None
    return event["message_id"].partition("-")[0], event["type"], event["recipient"]


def latency(event):
    time, accepted = (datetime.fromisoformat(event[name]) for name in ("time", "accepted_at"))
    return (time - accepted).total_seconds()


@settings(max_examples=200, deadline=None)
@given(junk=st.binary(max_size=300), place=st.integers(0, 200))
def test_junk_is_counted_and_stops_nothing(junk, place):
    lines = LOGS["maillog"][:200]
    connector = PostfixConnector(SITE, REFERENCE)
    events = ship(lines[:place], connector)
    ship([junk], connector)
    events += ship(lines[place:], connector)
    assert [event["id"] for event in events] == [event["id"] for event in ship(lines)]


def moments_between(first: int, last: int) -> st.SearchStrategy[datetime]:
    """UTC moments from the first year to the last."""
    seconds = [int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (first, last)]
    return st.integers(seconds[0] * 10**6, seconds[1] * 10**6).map(to_datetime)


@given(moment=moments_between(1990, 2090))
def test_stamps_survive_writing_and_reading(moment):
    text = rfc3339(to_micros(moment))
    assert datetime.fromisoformat(text) == moment == to_datetime(to_micros(moment))
    assert StampReader().read(f"{text} host") == (to_micros(moment), len(text) + 1)


edits = st.tuples(
    st.integers(0, 400),
    st.integers(0, 12),
    st.sampled_from([b"", b"..", b"9" * 30, b"<", b", ", b"\x00", b"\xff", b"status=", b"0001-"]),
)


@settings(max_examples=300, deadline=None)
@given(
    name=names,
    damage=st.lists(st.tuples(st.integers(0, 1900), edits), min_size=1, max_size=60),
)
def test_damaged_lines_stop_nothing(name, damage):
    lines = LOGS[name]
    connector = PostfixConnector(SITE, REFERENCE)
    for number, (place, length, put) in damage:
        line = lines[number % len(lines)]
        place %= len(line)
        for event in ship([line, line[:place] + put + line[place + length :]], connector):
            datetime.fromisoformat(event["time"])
    connector.flush()


def rfc3164(moment: datetime, zone: tzinfo) -> str:
    local = moment.astimezone(zone)
    return f"{local:%b} {local.day:2d} {local:%H:%M:%S} host"


@given(
    start=moments_between(2001, 2080),
    steps=st.lists(st.integers(0, 40 * 86_400), max_size=40),
    zone=st.sampled_from([UTC, ZoneInfo("Asia/Shanghai"), ZoneInfo("America/Phoenix")]),
)
def test_years_are_found_across_any_number_of_new_years(start, steps, zone):
    moment = start.replace(microsecond=0)
    reader = StampReader(zone, moment + timedelta(days=200))
    for step in [0, *steps]:
        moment += timedelta(seconds=step)
        read = reader.read(rfc3164(moment, zone))
        assert read is not None
        assert to_datetime(read[0]) == moment


@given(minutes=st.lists(st.integers(1, 20), min_size=1, max_size=30))
def test_the_hour_the_clocks_repeat_runs_forward(minutes):
    zone = ZoneInfo("Europe/Berlin")
    moment = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    reader = StampReader(zone, moment)
    for step in minutes:
        moment += timedelta(minutes=step)
        read = reader.read(rfc3164(moment, zone))
        assert read is not None
        assert to_datetime(read[0]) == moment
