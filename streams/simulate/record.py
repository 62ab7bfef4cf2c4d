"""What a simulation publishes: records in order, and how their bytes are written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from mailsla.schemas.contract import DEFAULT_TIMEZONE
from mailsla.schemas.registry import TYPES

ZONE: Final = ZoneInfo(DEFAULT_TIMEZONE)
SECOND: Final = 1_000_000
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SimulatedRecord(NamedTuple):
    """One Kafka record to publish.

    ``kind`` is ``event``, ``duplicate``, ``late``, ``miskeyed``, ``tombstone``, or
    ``bad:`` and a name of `mailsla.streams.simulate.bad.BAD_KINDS`.
    """

    topic: str
    key: bytes
    value: bytes | None
    kind: str


class Timed(NamedTuple):
    """A record with the instant it is published at, µs since 1970."""

    arrival_us: int
    record: SimulatedRecord


@dataclass(frozen=True)
class Span:
    """The month that is simulated, local days of `ZONE`."""

    first: date

    @property
    def after(self) -> date:
        """The first day of the following month."""
        return date(self.first.year + self.first.month // 12, self.first.month % 12 + 1, 1)

    @property
    def days(self) -> int:
        """Days of the month."""
        return (self.after - self.first).days

    @property
    def start_us(self) -> int:
        """The first instant."""
        return self.at(1)

    @property
    def end_us(self) -> int:
        """The first instant after the month."""
        return self.at(1 + self.days)

    def at(self, day: int, hour: float = 0) -> int:
        """A local hour of the n-th day of the month (from 1), µs since 1970."""
        midnight = datetime(self.first.year, self.first.month, 1, tzinfo=ZONE)
        return (midnight - _EPOCH) // timedelta(microseconds=1) + (day - 1) * DAY + int(hour * HOUR)


def wire_time(instant_us: int) -> str:
    """RFC 3339 in the provider's zone."""
    return (_EPOCH + timedelta(microseconds=instant_us)).astimezone(ZONE).isoformat()


@dataclass(frozen=True)
class Draft:
    """A thin event before it is written; ``fields`` may hold instants under ``*_at`` names."""

    type: str
    tenant_id: str
    time_us: int
    fields: Mapping[str, Any]
    source: str = "ops.example.net"

    def written(self, name: str) -> SimulatedRecord:
        """The event as a record, under an id."""
        body: dict[str, Any] = {
            "id": name,
            "source": self.source,
            "type": self.type,
            "tenant_id": self.tenant_id,
            "time": wire_time(self.time_us),
        }
        for field, value in self.fields.items():
            body[field] = wire_time(value) if field.endswith("_at") else value
        topic = TYPES[self.type].topic
        return SimulatedRecord(topic, self.tenant_id.encode(), orjson.dumps(body), "event")
