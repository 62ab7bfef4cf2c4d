"""The state of a mail-log task as records of its compacted topic.

Each host key's state stands in records of its own, so that a checkpoint writes only the hosts
that changed. A host has two slots that are written in turn; the head record, produced last,
names the valid one. So a checkpoint that did not complete leaves the state before it whole: it
wrote into the slots that do not count. The head also fences: it names the next offset to apply.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from mailsla.schemas.topics import ASSEMBLER_STATE
from mailsla.streams.runtime.checkpoint.state_log import StateError
from mailsla.streams.runtime.checkpoint.writer import Outgoing

FORMAT: Final = 2
CHUNK_BYTES: Final = 900_000
"""Most bytes of one record, below the million a broker takes by default."""

_HEAD: Final = b"head"
_LEVEL: Final = 1
_REMEDY: Final = f"delete the topic {ASSEMBLER_STATE.name} and reset the group to replay"


@dataclass(frozen=True)
class _Stored:
    """Where a host's state is: its valid slot, and how many records each slot has."""

    slot: int
    chunks: tuple[int, int]

    def with_other_slot(self, chunks: int) -> "_Stored":
        counts = (chunks, self.chunks[1]) if self.slot == 1 else (self.chunks[0], chunks)
        return replace(self, slot=1 - self.slot, chunks=counts)


_NOWHERE: Final = _Stored(1, (0, 0))


class MaillogState:
    """What the state topic of one partition holds.

    ``offset`` is the next offset of `raw.maillog` to apply, ``sequence`` counts checkpoints.
    """

    def __init__(self, partition: int) -> None:
        self.offset = 0
        self.sequence = 0
        self._partition = partition
        self._hosts: dict[str, _Stored] = {}
        self._garbage: list[bytes] = []

    def read(self, records: Mapping[bytes, bytes]) -> dict[str, dict[str, Any]]:
        """Take over what the topic holds; returns the connector snapshot of each host key.

        Raises:
            StateError: the state is of another version, or a record the head vouches for is
                missing or not readable.

        """
        if _HEAD not in records:
            return {}
        head = orjson.loads(zlib.decompress(records[_HEAD]))
        if head["format"] != FORMAT:
            raise StateError(
                f"the state of the mail-log assembler has format {head['format']}, "
                f"this version reads {FORMAT}; {_REMEDY}"
            )
        self.offset, self.sequence = head["offset"], head["sequence"]
        self._hosts = {
            host: _Stored(slot, (first, second))
            for host, (slot, first, second) in head["hosts"].items()
        }
        known = {_HEAD}
        for host, stored in self._hosts.items():
            known.update(_key(host, 0, chunk) for chunk in range(stored.chunks[0]))
            known.update(_key(host, 1, chunk) for chunk in range(stored.chunks[1]))
        self._garbage = [key for key in records if key not in known]
        return {host: _load(host, stored, records) for host, stored in self._hosts.items()}

    def write(
        self, changed: Mapping[str, Mapping[str, Any]], dropped: Sequence[str], offset: int
    ) -> tuple[list[Outgoing], Outgoing]:
        """The records of a checkpoint, and the head that makes them valid.

        Args:
            changed: host key → connector snapshot.
            dropped: host keys that need no state any more.
            offset: next offset to apply.

        """
        keys, self._garbage = self._garbage, []
        records = [self._record(key, None) for key in keys]
        for host, snapshot in changed.items():
            records += self._write_host(host, snapshot)
        for host in dropped:
            if (stored := self._hosts.pop(host, None)) is not None:
                # Valid until the new head is durable: erased by the next checkpoint.
                self._garbage += [
                    _key(host, slot, chunk)
                    for slot in (0, 1)
                    for chunk in range(stored.chunks[slot])
                ]
        self.offset = offset
        self.sequence += 1
        return records, self._record(_HEAD, self._head())

    def _write_host(self, host: str, snapshot: Mapping[str, Any]) -> list[Outgoing]:
        packed = zlib.compress(orjson.dumps(snapshot), _LEVEL)
        pieces = [packed[at : at + CHUNK_BYTES] for at in range(0, len(packed), CHUNK_BYTES)]
        before = self._hosts.get(host, _NOWHERE)
        now = self._hosts[host] = before.with_other_slot(len(pieces))
        records = [
            self._record(_key(host, now.slot, chunk), piece) for chunk, piece in enumerate(pieces)
        ]
        surplus = range(len(pieces), before.chunks[now.slot])
        return records + [self._record(_key(host, now.slot, chunk), None) for chunk in surplus]

    def _head(self) -> bytes:
        document = {
            "format": FORMAT,
            "offset": self.offset,
            "sequence": self.sequence,
            "hosts": {host: [one.slot, *one.chunks] for host, one in self._hosts.items()},
        }
        return zlib.compress(orjson.dumps(document), _LEVEL)

    def _record(self, key: bytes, value: bytes | None) -> Outgoing:
        return Outgoing(ASSEMBLER_STATE.name, key, value, self._partition)


def misunderstood_in(snapshot: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    """Kinds of lines that a connector snapshot says were not understood: how many, the first."""
    found: dict[str, tuple[int, str]] = {}
    for assembler in snapshot["hosts"].values():
        for kind, (count, example) in assembler["misunderstood"].items():
            before, first = found.get(kind, (0, example))
            found[kind] = (before + count, first)
    return found


def _key(host: str, slot: int, chunk: int) -> bytes:
    return f"{slot}/{chunk}/{host}".encode()


def _load(host: str, stored: _Stored, records: Mapping[bytes, bytes]) -> dict[str, Any]:
    keys = [_key(host, stored.slot, chunk) for chunk in range(stored.chunks[stored.slot])]
    try:
        packed = b"".join(records[key] for key in keys)
        snapshot: dict[str, Any] = orjson.loads(zlib.decompress(packed))
    except (KeyError, zlib.error, ValueError) as error:
        raise StateError(
            f"the mail-log state of host {host!r} is missing or damaged ({error!r}); {_REMEDY}"
        ) from None
    return snapshot
