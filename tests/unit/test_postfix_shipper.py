"""Records of every shipper, and the forms of a system log line."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mailsla.streams.connectors.shipper import UnreadableRecordError, lines_of
from mailsla.streams.connectors.stamps import StampReader, to_micros
from mailsla.streams.connectors.syslog import SyslogLine, parse_line

STAMP = "2026-11-22T12:23:08.904936+00:00"
MOMENT = to_micros(datetime.fromisoformat(STAMP))
TEXT = "4jXSs86QcVzK5wh: removed"
LINE = f"{STAMP} vm postfix/qmgr[25805]: {TEXT}"
PARSED = SyslogLine(MOMENT, "vm", "postfix/qmgr", "25805", TEXT)


def unwrap(raw, host=None):
    (line,) = lines_of(raw, host)
    return line


@pytest.mark.parametrize(
    "record",
    [
        LINE,
        LINE + "\n",
        {"message": LINE, "host": "collector", "timestamp": "2026-11-22T13:00:00Z"},
        {"@timestamp": "2026-11-22T13:00:00Z", "log": {"file": {"path": "/x"}}, "message": LINE},
        {"log": LINE, "stream": "stdout"},
        {"message": f"<22>{LINE}"},
        {
            "@timestamp": STAMP,
            "host": "vm",
            "syslog-tag": "postfix/qmgr[25805]:",
            "message": f" {TEXT}",
        },
        {
            "timestamp": STAMP,
            "hostname": "vm",
            "appname": "postfix/qmgr",
            "procid": 25805,
            "message": TEXT,
        },
        {
            "date": 1795350188.904936,
            "host": "vm",
            "ident": "postfix/qmgr",
            "pid": "25805",
            "log": TEXT,
        },
        {
            "MESSAGE": TEXT,
            "_HOSTNAME": "vm",
            "SYSLOG_IDENTIFIER": "postfix/qmgr",
            "SYSLOG_PID": "25805",
            "_SOURCE_REALTIME_TIMESTAMP": str(MOMENT),
            "__REALTIME_TIMESTAMP": str(MOMENT + 17),
        },
        {
            "MESSAGE": list(TEXT.encode()),
            "_HOSTNAME": "vm",
            "SYSLOG_IDENTIFIER": "postfix/qmgr",
            "_PID": "25805",
            "__REALTIME_TIMESTAMP": str(MOMENT),
        },
        {
            "@timestamp": STAMP,
            "host": {"name": "vm"},
            "process": {"name": "postfix/qmgr", "pid": 25805},
            "message": TEXT,
        },
        {
            "time": STAMP,
            "programname": "postfix",
            "syslogtag": "postfix/qmgr[25805]:",
            "message": TEXT,
        },
    ],
)
def test_every_shape_gives_the_same_line(record):
    raw = record if isinstance(record, str) else json.dumps(record)
    assert parse_line(unwrap(raw.encode(), "vm"), StampReader()) == PARSED


@pytest.mark.parametrize(
    ("record", "lacking"),
    [
        ('{"message": ', "JSON"),
        ('{"level": "info"}', "no text"),
        (json.dumps({"message": TEXT, "host": "vm", "syslog-tag": "postfix/qmgr:"}), "no stamp"),
        (json.dumps({"message": TEXT, "time": 1e300, "tag": "postfix/qmgr"}), "no stamp"),
        (json.dumps({"message": TEXT, "time": STAMP, "tag": "postfix/qmgr"}), "names no host"),
        (json.dumps({"message": TEXT, "time": STAMP, "host": "vm"}), "lacks its program"),
    ],
)
def test_what_is_missing_is_said(record, lacking):
    with pytest.raises(UnreadableRecordError, match=lacking):
        unwrap(record.encode())


@pytest.mark.parametrize(
    ("line", "offset_us"),
    [
        ("<22>Nov 22 12:23:08 vm postfix/qmgr[25805]: " + TEXT, -904_936),
        ("2026-11-22T12:23:08Z vm postfix/qmgr[25805]: " + TEXT, -904_936),
        ("2026-11-22T20:23:08.904936+08:00 vm postfix/qmgr[25805]: " + TEXT, 0),
        ("2026-11-22T12:23:08.904936Z vm postfix/qmgr[25805]: " + TEXT, 0),
        ("2026-11-22 12:23:08.904936+00:00 vm postfix/qmgr[25805]: " + TEXT, 0),
        ("2026-11-22T12:23:08.904+00:00 vm postfix/qmgr[25805]: " + TEXT, -936),
        (f'<22>1 {STAMP} vm postfix/qmgr 25805 - [a@1 k="]\\"x"] \ufeff{TEXT}', None),
        (f"<22>1 {STAMP} vm postfix/qmgr 25805 - - {TEXT}", 0),
    ],
)
def test_stamp_forms_and_rfc_5424(line, offset_us):
    parsed = parse_line(line, StampReader(UTC, datetime(2026, 12, 1, tzinfo=UTC)))
    if offset_us is None:
        assert parsed is None or parsed.text.endswith(TEXT)
    else:
        assert parsed == PARSED._replace(stamp=MOMENT + offset_us)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        "2026-11-22T12:23:08.904936+00:00",
        "Nov 22 12:99:08 vm a: b",
        "Feb 30 12:00:08 vm a: b",
        "2026-13-22T12:23:08.904936+00:00 vm a: b",
        "2026-11-22T12:23:08.9x4936+00:00 vm a: b",
        "<22>1 2026-11-22T12:23:08Z vm",
        "<x> y",
        "last message repeated 2 times",
    ],
)
def test_what_is_no_log_line_is_none(line):
    assert parse_line(line, StampReader()) is None


def test_the_year_comes_from_the_reference_and_the_zone_from_the_configuration():
    zone = timezone(timedelta(hours=8))
    reader = StampReader(zone, datetime(2027, 1, 2, tzinfo=UTC))
    read = reader.read("Dec 31 23:00:00 vm")
    assert read == (to_micros(datetime(2026, 12, 31, 15, tzinfo=UTC)), 16)
    leap = StampReader(UTC, datetime(2026, 11, 1, tzinfo=UTC)).read("Feb 29 00:00:00 vm")
    assert leap == (to_micros(datetime(2024, 2, 29, tzinfo=UTC)), 16)


@pytest.mark.parametrize("host", ["a", "vmail", "abcde x", "mx1.example.net"])
def test_a_blank_where_the_microsecond_form_has_one_misleads_nobody(host):
    for stamp in ("2026-11-22T12:23:08.904936Z", "2026-11-22T12:23:08.904Z", STAMP):
        read = StampReader().read(f"{stamp} {host} postfix/qmgr[1]: {TEXT}")
        assert read is not None
        assert read[0] in (MOMENT, MOMENT - 936)
        assert read[1] == len(stamp) + 1
