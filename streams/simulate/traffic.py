"""Realistic message traffic, drawn in vectors: diurnal load, bursts, slow spells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mailsla.schemas.topics import MTA
from mailsla.streams.simulate.record import HOUR, SECOND, SimulatedRecord, Span, Timed

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CHUNK_HOURS: Final = 6
MAX_NATURAL_S: Final = 1800.0
"""No latency of the ordinary traffic is longer: every exceedance is one that was injected."""

_HOURLY: Final = np.array(
    [2, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 16, 11, 14, 18, 18, 16, 13, 9, 7, 6, 5, 4, 3], float
)
_WEEKEND_SHARE: Final = 0.35
_DISORDER_S: Final = 110.0

_ACCEPTED: Final = (
    '{"id":"a%x","source":"%s","type":"message.accepted","tenant_id":"%s","time":"%s+08:00",'
    '"message_id":"%010X","direction":"%s","recipient":"%s","accepted_at":"%s+08:00",'
    '"size_bytes":%d}'
)
_DISPATCHED: Final = (
    '{"id":"d%x","source":"%s","type":"message.dispatched","tenant_id":"%s","time":"%s+08:00",'
    '"message_id":"%010X","direction":"outbound","recipient":"%s","accepted_at":"%s+08:00",'
    '"size_bytes":%d,"peer":"mx.partner.example.org","attempt":1}'
)
_DELIVERED: Final = (
    '{"id":"d%x","source":"%s","type":"message.delivered","tenant_id":"%s","time":"%s+08:00",'
    '"message_id":"%010X","direction":"inbound","recipient":"%s","accepted_at":"%s+08:00",'
    '"size_bytes":%d,"mailbox":"inbox"}'
)
_SOURCES: Final = ("mx1.example.net/postfix", "mx2.example.net/postfix")
_LOCAL_OFFSET_US: Final = 8 * HOUR


@dataclass(frozen=True)
class Chunk:
    """The messages accepted in some hours; arrays of one length."""

    first_number: int
    tenant: Ints
    accepted_us: Ints
    latency_us: Ints
    outbound: npt.NDArray[np.bool_]
    size: Ints

    def __len__(self) -> int:
        return len(self.tenant)


@dataclass(frozen=True)
class Traffic:
    """The ordinary messages of a month. ``slow[i]``: seconds added to tenant i's latency."""

    seed: int
    span: Span
    tenants: tuple[str, ...]
    slow: tuple[float, ...]
    messages: int

    @property
    def chunks(self) -> int:
        """How many chunks the month has."""
        return self.span.days * 24 // CHUNK_HOURS

    def counts(self) -> Ints:
        """Messages of each hour: diurnal, weaker at week-ends, with bursts."""
        rng = np.random.default_rng([self.seed, 1])
        weekday = np.arange(self.span.days) + self.span.first.weekday()
        daily = np.where(weekday % 7 >= 5, _WEEKEND_SHARE, 1.0)
        weights = np.outer(daily, _HOURLY).ravel()
        bursts = rng.choice(len(weights), max(1, len(weights) // 100), replace=False)
        weights[bursts] *= 4
        return rng.multinomial(self.messages, weights / weights.sum())

    def slow_hours(self) -> Floats:
        """Factor on the latency of each hour: slow spells of a few hours."""
        rng = np.random.default_rng([self.seed, 2])
        factors = np.ones(self.span.days * 24)
        for begun in rng.choice(len(factors), self.span.days // 4, replace=False):
            factors[begun : begun + 3] = 6.0
        return factors

    def chunk(self, number: int, counts: Ints, factors: Floats) -> Chunk:
        """Draw one chunk; the same number always gives the same messages."""
        rng = np.random.default_rng([self.seed, 3, number])
        hours = slice(number * CHUNK_HOURS, (number + 1) * CHUNK_HOURS)
        mine = counts[hours]
        size = int(mine.sum())
        hour = np.repeat(np.arange(hours.start, hours.stop), mine)
        accepted = self.span.start_us + hour * HOUR + rng.integers(0, HOUR // 1000, size) * 1000
        weights = 1 / np.arange(1, len(self.tenants) + 1) ** 0.7
        tenant = rng.choice(len(self.tenants), size, p=weights / weights.sum())
        latency = rng.lognormal(0.9, 0.8, size) * factors[hour] + np.asarray(self.slow)[tenant]
        rounded = (np.minimum(latency, MAX_NATURAL_S) * 1000).astype(np.int64) * 1000
        return Chunk(
            first_number=int(counts[: hours.start].sum()),
            tenant=tenant.astype(np.int64),
            accepted_us=accepted.astype(np.int64),
            latency_us=rounded,
            outbound=rng.random(size) < 0.45,
            size=rng.lognormal(9.5, 1.2, size).astype(np.int64),
        )


def write(chunk: Chunk, tenants: Sequence[str], seed: int) -> list[Timed]:
    """Both events of every message of a chunk, with the instants they are published at."""
    if not len(chunk):
        return []
    rng = np.random.default_rng([seed, 4, chunk.first_number])
    done = chunk.accepted_us + chunk.latency_us
    keys = [tenant.encode() for tenant in tenants]
    numbers = range(chunk.first_number, chunk.first_number + len(chunk))
    rows = zip(
        numbers,
        chunk.tenant.tolist(),
        chunk.outbound.tolist(),
        _texts(chunk.accepted_us),
        _texts(done),
        chunk.size.tolist(),
        _arrivals(chunk.accepted_us, rng),
        _arrivals(done, rng),
        strict=True,
    )
    timed: list[Timed] = []
    for row in rows:
        timed += _pair(row, tenants, keys)
    return timed


def _pair(
    row: tuple[Any, ...], tenants: Sequence[str], keys: Sequence[bytes]
) -> tuple[Timed, Timed]:
    number, which, outbound, accepted, done, size, first, second = row
    tenant, source = tenants[which], _SOURCES[number & 1]
    if outbound:
        direction, recipient, finish = (
            "outbound",
            f"p{number % 997}@partner.example.org",
            _DISPATCHED,
        )
    else:
        direction, recipient, finish = (
            "inbound",
            f"user{number % 89}@{tenant}.example.cn",
            _DELIVERED,
        )
    head = _ACCEPTED % (
        number, source, tenant, accepted, number, direction, recipient, accepted, size,
    )  # fmt: skip
    tail = finish % (number, source, tenant, done, number, recipient, accepted, size)
    key, topic = keys[which], MTA.name
    return (
        Timed(first, SimulatedRecord(topic, key, head.encode(), "event")),
        Timed(second, SimulatedRecord(topic, key, tail.encode(), "event")),
    )


def _texts(instants_us: Ints) -> list[str]:
    """Local times to the millisecond, without their offset."""
    local = ((instants_us + _LOCAL_OFFSET_US) // 1000).astype("datetime64[ms]")
    texts: list[str] = np.datetime_as_string(local).tolist()
    return texts


def _arrivals(instants_us: Ints, rng: np.random.Generator) -> list[int]:
    """When events are published: seconds after they happened, two minutes at most."""
    delay = np.minimum(rng.exponential(4.0, len(instants_us)), _DISORDER_S)
    arrivals: list[int] = (instants_us + (delay * SECOND).astype(np.int64)).tolist()
    return arrivals
