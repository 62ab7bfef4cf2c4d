"""Batches of the log that cannot be read are passed over, so that the next one is read.

The client raises at a batch with a wrong checksum, a codec of the future or damaged compressed
bytes, and raises again at every later attempt: one such batch would stop its reader for ever. One
that unpacks to more than there is room for (`unpacking`) would end it.
Here it reads as one record without key and with an empty value, which nobody accepts, under the
batch's first offset and with the reason. What becomes of it is the reader's business.
"""

import logging
import struct
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.errors import KafkaError
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

from mailsla.streams.runtime import unpacking
from mailsla.streams.runtime.stretch import Stretch, unpacked
from mailsla.streams.runtime.unpacking import TooLargeError, bound_unpacking

logger = logging.getLogger(__name__)

_LONGEST_REASON: Final = 200
_SIZE: Final = struct.Struct(">i")
_SIZE_AT: Final = 8
"""How many bytes of a batch follow, and where that stands, in every message format."""
UNREADABLE: Final = "a batch of records cannot be read"
"""How every reason begins."""


class Unreadable(bytes):
    """The value, empty, of the record that stands for a batch.

    ``reason`` is a sentence; ``next_offset`` is where the log goes on after the batch.
    """

    reason: str
    next_offset: int


def pass_over_unreadable(consumer: Any, together: bool = False) -> None:
    """Make a started consumer give `Unreadable` records where it would raise.

    The client has no hook for it, so what it fetches is wrapped where it is laid down.

    Args:
        consumer: the client.
        together: give a `Stretch` for each batch of the log, and spare the client a step, and an
            object of eleven fields, for every record.

    """
    bound_unpacking()
    fetcher.MemoryRecords = _KeptRecords
    consumer._fetcher._records = _Fetched(together)


class _KeptRecords(MemoryRecords):  # type: ignore[misc]  # an untyped base
    """The batches of one fetch, and their bytes, to which the client has no door."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = memoryview(data)


class _Fetched(OrderedDict[Any, Any]):
    """What was fetched of each partition and waits to be taken."""

    def __init__(self, together: bool = False) -> None:
        super().__init__()
        self._together = together

    def __setitem__(self, place: Any, fetched: Any) -> None:
        if type(fetched) is FetchResult:
            # Its iterator was made but not begun: it takes the batches with its first step.
            unread = fetched._partition_records
            state = fetched._assignment.state_value(place)
            end = state.lso if unread._isolation_level == READ_COMMITTED else state.highwater
            position = unread.next_fetch_offset
            unread._records = _Batches(unread._records, place, position, end, self._together)
            if self._together:
                unread._consumer_record = _stretch
        super().__setitem__(place, fetched)


class _Batches:
    """The batches of one fetch, in the form the client reads them."""

    def __init__(
        self, batches: Any, place: Any, position: int, end: int, together: bool = False
    ) -> None:
        self._batches, self._place = batches, place
        self._position, self._end = position, end
        self._together = together
        self._rest: memoryview | None = getattr(batches, "data", None)
        self._ahead = self._take()

    def has_next(self) -> bool:
        """Whether there is one more."""
        return self._ahead is not None

    def next_batch(self) -> Any:
        """The next one; only called where there is one."""
        (batch, data), self._ahead = self._ahead, self._take()
        if not isinstance(batch, DefaultRecordBatch):
            return batch  # message formats of before 2017
        whole = bool(batch.validate_crc())
        next_offset = self._next_offset(batch, whole)
        made = _Batch(batch, self._place, whole, next_offset, self._position, self._together, data)
        self._position = max(self._position, made.next_offset)
        return made

    def _take(self) -> Any:
        """The next batch and its bytes, where they are known; None where there is no batch."""
        if not self._batches.has_next():
            return None
        batch, data = self._batches.next_batch(), None
        if self._rest is not None:
            (size,) = _SIZE.unpack_from(self._rest, _SIZE_AT)
            end = _SIZE_AT + _SIZE.size + size
            data, self._rest = self._rest[:end], self._rest[end:]
        return batch, data

    def _next_offset(self, batch: Any, whole: bool) -> int:
        """Where the log goes on.

        Nothing that a wrong checksum covers can be trusted, the number of records among it. What
        follows in the same fetch says where it begins. At its end a step of one is always right:
        the broker gives the same batch again, which is passed over in silence then.
        """
        stated = int(batch.next_offset)
        if whole:
            return stated
        if self._ahead is not None:
            return int(getattr(self._ahead[0], "base_offset", stated))
        return stated if stated == self._end else max(self._position, int(batch.base_offset)) + 1


@dataclass
class _Batch:
    """One batch, or the record that stands for it where it cannot be read."""

    batch: Any
    place: Any
    whole: bool
    """Whether its checksum is right."""
    next_offset: int
    position: int
    """Where the fetch goes on; a batch before it was told of already."""
    together: bool
    """Whether its records are given as one `Stretch`."""
    data: memoryview | None
    """Its bytes, where they are known."""

    def validate_crc(self) -> bool:
        """A wrong checksum is told by the record."""
        return True

    @property
    def base_offset(self) -> int:
        """Offset of the first record."""
        return int(self.batch.base_offset)

    @property
    def producer_id(self) -> int | None:
        """Who wrote it, as far as that can be trusted."""
        return self.batch.producer_id if self.whole else None

    @property
    def is_control_batch(self) -> bool:
        """Whether it marks the end of a transaction."""
        return self.whole and bool(self.batch.is_control_batch)

    @property
    def is_transactional(self) -> bool:
        """Whether it belongs to a transaction."""
        return self.whole and bool(self.batch.is_transactional)

    def __next__(self) -> Any:
        return next(self.batch)

    def __iter__(self) -> Iterator[Any]:
        if not self.together:
            return iter(self._records())
        stretch = unpacked(self.data) if self.whole and self.data is not None else None
        if stretch is None and (records := self._records()):
            stretch = _stretch_of(records)
        stretch = stretch and stretch.since(self.position)
        return iter([] if stretch is None else [stretch])

    def _records(self) -> list[Any]:
        if not self.whole:
            return self._instead("its checksum is wrong")
        try:
            records = list(islice(self.batch, unpacking.MOST_RECORDS + 1))
            if len(records) > unpacking.MOST_RECORDS:
                raise TooLargeError
            return records
        except KafkaError as error:
            return self._instead(str(error).partition("] ")[2] or str(error))
        except Exception as error:  # whatever a codec makes of damaged bytes
            return self._instead(f"{type(error).__name__}: {error}")

    def _instead(self, why: str) -> list[Any]:
        value = Unreadable()
        value.next_offset = self.next_offset
        value.reason = f"{UNREADABLE}: {why}"[:_LONGEST_REASON]
        topic, partition = self.place
        if self.base_offset >= self.position:
            logger.error("%s/%d/%d: %s", topic, partition, self.base_offset, value.reason)
        stamp, kind = int(self.batch.max_timestamp), int(self.batch.timestamp_type)
        return [_Record(self.base_offset, stamp, kind, value)]


@dataclass(frozen=True)
class _Record:
    """In the form of the client's records."""

    offset: int
    timestamp: int
    timestamp_type: int
    value: Unreadable
    key: None = None
    checksum: None = None
    headers: tuple[()] = ()


def _stretch_of(records: Sequence[Any]) -> Stretch:
    stretch, value = Stretch.of(records), records[-1].value
    if type(value) is not Unreadable:
        return stretch
    return replace(stretch, reason=value.reason, next_offset=value.next_offset)


def _stretch(_: Any, record: Any) -> Stretch:
    """What the client makes of what a batch gives; single records are those of before 2017."""
    return record if type(record) is Stretch else Stretch.of([record])
