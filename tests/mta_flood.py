"""A flat-out flood of ``mail.mta`` events for benchmarks, with the truth about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from mailsla.schemas.topics import MTA
from mailsla.streams.simulate.bad import BAD_KINDS, bad_record
from mailsla.streams.simulate.record import SECOND, SimulatedRecord

EVENT_BYTES: Final = 281
"""Size of every good event."""

_PIECE: Final = 20_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_MAX_LATENCY_US: Final = 3600 * SECOND
_EXCEEDING_SHARE: Final = 0.00001
_HEAD: Final = '{"id":"%010x","source":"mx1.example.net/postfix","type":"message.'
_TAIL: Final = '@example.cn","accepted_at":"%sZ","size_bytes":%06d}'
_DISPATCHED: Final = (
    _HEAD + 'dispatched","tenant_id":"%s","time":"%sZ","message_id":"%012X",'
    '"direction":"outbound","recipient":"u%06d' + _TAIL
)
_DELIVERED: Final = (
    _HEAD + 'delivered","tenant_id":"%s","time":"%sZ","message_id":"%012X",'
    '"direction":"inbound","recipient":"box%06d' + _TAIL
)


@dataclass(frozen=True)
class FloodTruth:
    """What a flood holds.

    ``count`` good events, each a message of its own: ``sent`` dispatched, ``received``
    delivered; ``exceedances`` of them took more than an hour. ``by_tenant`` counts good events,
    ``bad`` refused records by kind, see `mailsla.streams.simulate.bad.BAD_KINDS`.
    """

    count: int
    sent: int
    received: int
    latency_us: int
    exceedances: int
    by_tenant: Mapping[str, int]
    bad: Mapping[str, int]

    @property
    def records(self) -> int:
        """Records published."""
        return self.count + sum(self.bad.values())


@dataclass(frozen=True)
class _Piece:
    first: int
    tenant: npt.NDArray[np.int64]
    accepted_us: npt.NDArray[np.int64]
    latency_us: npt.NDArray[np.int64]
    outbound: npt.NDArray[np.bool_]
    bad_before: npt.NDArray[np.int64]
    """Places in the piece before which a refused record comes, ascending."""


@dataclass(frozen=True)
class Flood:
    """A flood that can be published any number of times; messages are in time order."""

    seed: int
    tenants: tuple[str, ...]
    count: int
    bad_share: float
    start: datetime
    duration: timedelta

    def records(self) -> Iterator[SimulatedRecord]:
        """Every record in publishing order; `EVENT_BYTES` each but for the refused ones."""
        keys = [tenant.encode() for tenant in self.tenants]
        for piece in self._pieces():
            yield from self._written(piece, keys)

    @cached_property
    def truth(self) -> FloodTruth:
        """What the records hold, from the draws alone."""
        sent = latency = over = bad = 0
        every = np.zeros(len(self.tenants), dtype=np.int64)
        for piece in self._pieces():
            sent += int(piece.outbound.sum())
            latency += int(piece.latency_us.sum())
            over += int((piece.latency_us > _MAX_LATENCY_US).sum())
            bad += len(piece.bad_before)
            every += np.bincount(piece.tenant, minlength=len(self.tenants))
        kinds = list(BAD_KINDS)
        return FloodTruth(
            count=self.count,
            sent=sent,
            received=self.count - sent,
            latency_us=latency,
            exceedances=over,
            by_tenant=dict(zip(self.tenants, every.tolist(), strict=True)),
            bad={kind: len(range(place, bad, len(kinds))) for place, kind in enumerate(kinds)},
        )

    def _pieces(self) -> Iterator[_Piece]:
        start_us = (self.start - _EPOCH) // timedelta(microseconds=1)
        length_us = self.duration // timedelta(microseconds=1)
        for first in range(0, self.count, _PIECE):
            size = min(_PIECE, self.count - first)
            rng = np.random.default_rng([self.seed, first])
            number = np.arange(first, first + size, dtype=np.float64)
            accepted = start_us + (number * (length_us / self.count)).astype(np.int64)
            latency = (rng.lognormal(0.9, 0.8, size) * 1000).astype(np.int64) * 1000
            latency[rng.random(size) < _EXCEEDING_SHARE] = _MAX_LATENCY_US + 1000
            bad = int((first + size) * self.bad_share) - int(first * self.bad_share)
            yield _Piece(
                first=first,
                tenant=rng.integers(0, len(self.tenants), size),
                accepted_us=accepted // 1000 * 1000,
                latency_us=latency,
                outbound=rng.random(size) < 0.5,
                bad_before=np.sort(rng.integers(0, size, bad)),
            )

    def _written(self, piece: _Piece, keys: list[bytes]) -> Iterator[SimulatedRecord]:
        accepted, done = _texts(piece.accepted_us), _texts(piece.accepted_us + piece.latency_us)
        rows = zip(piece.tenant.tolist(), piece.outbound.tolist(), accepted, done, strict=True)
        spoiled = int(piece.first * self.bad_share)
        waiting = piece.bad_before.tolist()[::-1]
        topic, kinds = MTA.name, tuple(BAD_KINDS)
        for place, (which, outbound, begun, ended) in enumerate(rows):
            while waiting and waiting[-1] == place:
                waiting.pop()
                moment = int(piece.accepted_us[place]) // SECOND * SECOND
                kind = kinds[spoiled % len(kinds)]
                yield bad_record(kind, spoiled, self.tenants[which], moment)
                spoiled += 1
            number = piece.first + place
            template = _DISPATCHED if outbound else _DELIVERED
            value = template % (
                number, self.tenants[which], ended, number,
                number % 1_000_000, begun, 100_000 + number % 900_000,
            )  # fmt: skip
            yield SimulatedRecord(topic, keys[which], value.encode(), "event")


def flood(
    seed: int,
    tenants: int,
    count: int,
    bad_share: float = 0.0,
    *,
    start: datetime = datetime(2025, 10, 1, tzinfo=UTC),
    duration: timedelta = 30 * _DAY,
) -> Flood:
    """So many message events, spread evenly over a stretch of time.

    Args:
        seed: equal arguments give equal records, byte for byte.
        tenants: over how many tenants, 1 to 9999, chosen alike.
        count: good events.
        bad_share: refused records per good event, from 0 (none) to 1; every kind in turn.
        start: aware time of the first message.
        duration: until when messages are accepted.

    Raises:
        ValueError: an argument outside its range.

    """
    if not 1 <= tenants <= 9999 or count < 0 or not 0 <= bad_share <= 1:
        raise ValueError("flood with 1 to 9999 tenants, a count from 0, a bad share from 0 to 1")
    names = tuple(f"t{number:04d}" for number in range(tenants))
    return Flood(seed, names, count, bad_share, start, duration)


def _texts(instants_us: npt.NDArray[np.int64]) -> list[str]:
    texts: list[str] = np.datetime_as_string(
        (instants_us // 1000).astype("datetime64[ms]")
    ).tolist()
    return texts
