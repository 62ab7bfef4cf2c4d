"""What is fuzzed: each target takes a source of chance and does one thing that must not fail."""

import io
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml

from mailsla.schemas.codec.columnar import decode_batch
from mailsla.schemas.codec.printable import printable
from mailsla.schemas.codec.records import Rejection, decode_contract, decode_event
from mailsla.schemas.codec.yaml_text import load_yaml
from mailsla.streams.cli.support.contract_files import read_documents
from mailsla.streams.connectors.bounded import MAX_LINE_BYTES, LineSplitter, read_line
from tests.fuzz.mutate import HOSTILE_TEXTS, hostile
from tests.fuzz.samples import EVENTS
from tests.fuzz.task import task

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)
CONTRACT = {"tenant_id": "acme", "version": 1, "effective_from": "2026-01-01"}


def events(chance):
    """One by one: an event, or the reason it is none."""
    topic = chance.choice(list(EVENTS))
    decoded = decode_event(topic, hostile(chance, chance.choice(EVENTS[topic])), NOW)
    assert not isinstance(decoded, Rejection) or decoded.reason


def batches(chance):
    """Columns of many: the same verdicts as one by one, row for row."""
    topic = chance.choice(list(EVENTS))
    values = [
        hostile(chance, event) if chance.random() < 0.3 else json.dumps(event).encode()
        for event in chance.choices(EVENTS[topic], k=20)
    ]
    micros = np.full(len(values), int(NOW.timestamp() * 1e6), dtype=np.int64)
    decoded = decode_batch(topic, values, micros)
    refused = {place for place, value in enumerate(values)
               if isinstance(decode_event(topic, value, NOW), Rejection)}  # fmt: skip
    assert set(decoded.rejections) == refused, (topic, values)


def contracts(chance):
    """A contract document or the reason it is none."""
    decode_contract(hostile(chance, CONTRACT))


def files(chance):
    """A contract file in YAML or JSON: documents or problems."""
    text = hostile(chance, CONTRACT)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"c.{chance.choice(['yaml', 'json'])}"
        path.write_bytes(text)
        documents, problems = read_documents([path])
    assert documents or problems


def yaml_texts(chance):
    """Punctuation of YAML, thrown together."""
    text = "".join(chance.choices(["- ", "&a ", "*a ", ": ", "\n", "  ", "[", "{", "a", "<<", "? "],
                                  k=chance.randint(1, 400)))  # fmt: skip
    try:
        list(load_yaml(text))
    except yaml.YAMLError:
        return


def lines(chance):
    """Bytes in blocks: every line within its bound."""
    data = bytes(chance.choices(b"a\n\r\x00\xff", (90, 5, 3, 1, 1), k=chance.randint(0, 40_000)))
    splitter, file = LineSplitter(), io.BytesIO(data)
    found = splitter.feed(data[:99]) + splitter.feed(data[99:])
    assert all(len(line) <= MAX_LINE_BYTES + 1 for line in found)
    read = list(iter(lambda: read_line(file), b""))
    assert read == [line for line in (*found, splitter.rest()) if line]


def shown(chance):
    """Whatever is shown steers nothing."""
    text = "".join(chance.choices(HOSTILE_TEXTS, k=3))
    assert not set(printable(text)) & {"\x1b", "\x07", "\u202e", "\ud800", "\x00"}


TARGETS = (events, batches, contracts, files, yaml_texts, lines, shown, task)
