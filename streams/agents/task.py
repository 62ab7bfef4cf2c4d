"""One task: partition p of every input topic, with the state derived from it.

Nothing here waits: a task takes batches in, and prepares a checkpoint that its caller makes
durable. Its state is a function of the records applied, whatever the batches' cut or timing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from schemas.contract import Contract, default_contract
from schemas.identifiers import rfc3339
from schemas.topics import MTA, WINDOWS
from streams.agents.intake import Intake, take_in
from streams.agents.series import TenantCodes, direction, series_of, tenant_code
from streams.runtime.batches import RecordBatch
from streams.runtime.delivery import Outgoing
from streams.runtime.statelog import Head, Segment, head_record, segment_records
from streams.windows.clock import MICROS, EventClock
from streams.windows.keyhash import message_keys
from streams.windows.latency import LatencyWindow, LatencyWindows, Terms
from streams.windows.messages import ROW, Rows

_NO_ROWS: Final = np.empty(0, dtype=ROW)


@dataclass(frozen=True)
class Checkpoint:
    """What must become durable together: records, the head that makes them valid, offsets."""

    records: Sequence[Outgoing]
    head: Outgoing
    offsets: dict[tuple[str, int], int]


@dataclass
class Counters:
    """What a task has seen since it was claimed."""

    events: int = 0
    rejected: int = 0
    rekeyed: int = 0
    tombstones: int = 0


class Task:
    """The live state of one partition.

    Args:
        partition: number of the partition.
        lateness_us: how late an event may be for the short windows, µs.
    """

    def __init__(self, partition: int, lateness_us: int) -> None:
        self.partition = partition
        self.counters = Counters()
        self.clock = EventClock(lateness_us)
        self.tenants = TenantCodes()
        self.latency = LatencyWindows(self._terms, _nothing_excluded, lateness_us)
        self._contracts: dict[str, Contract] = {}
        self._head = Head()
        self._stored_tenants = 0
        self._outgoing: list[Outgoing] = []
        self._rows: list[Rows] = []
        self._offsets: dict[str, int] = {}

    @property
    def pending(self) -> int:
        """Records and rows that wait for the next checkpoint."""
        return len(self._outgoing) + sum(len(rows) for rows in self._rows)

    @property
    def dirty(self) -> bool:
        """Whether anything was applied since the last checkpoint."""
        return bool(self._offsets)

    def restore(self, head: Head, segments: Sequence[Segment], now_s: float) -> None:
        """Rebuild the state as of a head, by applying its segments again."""
        self._head = head
        for segment in segments:
            self.tenants.add(segment.tenants)
            self.latency.admit(segment.rows)
        self._stored_tenants = len(self.tenants.names)
        self.clock.observe(head.latest_us, head.latest_us, now_s)

    def apply(self, batch: RecordBatch, now_us: int, now_s: float) -> int:
        """Apply a batch; what was applied before is skipped by its offset.

        Args:
            batch: records of one input topic.
            now_us: system time, µs since 1970.
            now_s: system time, monotonic seconds.

        Returns:
            The number of records that were new.

        """
        fresh = batch.after(self._head.offsets.get(batch.topic, 0))
        if fresh is None:
            self._offsets.setdefault(batch.topic, self._head.offsets[batch.topic])
            return 0
        intake = take_in(fresh, now_us)
        self._count(intake)
        self._outgoing.extend(intake.outgoing)
        if intake.events.num_rows:
            newest = _micros(intake.events.column("time"))
            self.clock.observe(int(newest.max()), intake.broker_us, now_s)
            if batch.topic == MTA.name:
                self._admit(intake.events)
        self._head.offsets[batch.topic] = fresh.next_offset
        self._offsets[batch.topic] = fresh.next_offset
        return len(fresh)

    def checkpoint(self) -> Checkpoint:
        """Everything since the last checkpoint; the caller makes it durable, then `settle`s."""
        as_of = _text(self.clock.latest_us)
        windows = [self._window_record(window, as_of) for window in self.latency.publish()]
        rows = np.concatenate(self._rows) if self._rows else _NO_ROWS
        new_tenants = tuple(self.tenants.names[self._stored_tenants :])
        state: list[Outgoing] = []
        if len(rows) or new_tenants:
            state = segment_records(self.partition, self._head, Segment(new_tenants, rows))
        self._head.latest_us = self.clock.latest_us
        offsets = {(topic, self.partition): offset for topic, offset in self._offsets.items()}
        return Checkpoint(
            [*self._outgoing, *windows, *state], head_record(self.partition, self._head), offsets
        )

    def settle(self) -> None:
        """The last checkpoint is durable."""
        self._outgoing, self._rows, self._offsets = [], [], {}
        self._stored_tenants = len(self.tenants.names)

    def contract(self, tenant: str) -> Contract:
        """The contract in force for a tenant."""
        known = self._contracts.get(tenant)
        if known is None:
            known = self._contracts[tenant] = default_contract(tenant)
        return known

    def _terms(self, series: int) -> Terms:
        contract = self.contract(self.tenants.names[tenant_code(series)])
        return Terms(contract.timezone, contract.profile.max_latency_s * MICROS)

    def _count(self, intake: Intake) -> None:
        self.counters.events += intake.events.num_rows
        self.counters.rejected += intake.rejected
        self.counters.rekeyed += intake.rekeyed
        self.counters.tombstones += intake.tombstones

    def _admit(self, events: pa.Table) -> None:
        """Messages that were dispatched (first attempt) or delivered have a latency."""
        finished = events.filter(
            pc.or_(
                pc.and_(
                    pc.equal(events.column("type"), "message.dispatched"),
                    pc.equal(events.column("attempt"), 1),
                ),
                pc.equal(events.column("type"), "message.delivered"),
            )
        )
        if finished.num_rows == 0:
            return
        admitted = self.latency.admit(self._message_rows(finished))
        if len(admitted.added):
            self._rows.append(admitted.added)

    def _message_rows(self, events: pa.Table) -> Rows:
        inbound = _flags(pc.equal(events.column("direction"), "inbound"))
        rows = np.empty(events.num_rows, dtype=ROW)
        rows["key"] = message_keys(
            events.column("source").combine_chunks(),
            events.column("message_id").combine_chunks(),
            events.column("recipient").combine_chunks(),
            inbound,
        )
        rows["series"] = series_of(self.tenants.encode(events.column("tenant_id")), inbound)
        rows["accepted_us"] = _micros(events.column("accepted_at"))
        rows["finished_us"] = _micros(events.column("time"))
        rows["liable"] = _flags(pc.is_valid(events.column("liability")))
        return rows

    def _window_record(self, window: LatencyWindow, as_of: str) -> Outgoing:
        tenant = self.tenants.names[tenant_code(window.series)]
        count = window.count
        p50, p95, p99 = window.quantiles_s
        document = {
            "tenant_id": tenant,
            "family": "latency",
            "direction": direction(window.series),
            "window": window.window,
            "window_start": _text(window.start_us),
            "window_end": _text(window.end_us),
            "as_of": as_of,
            "count": count,
            "mean_s": window.sum_us / count / MICROS if count else None,
            "max_s": window.max_us / MICROS if count else None,
            "exceedances": window.exceedances,
            "p50_s": round(p50, 6) if count else None,
            "p95_s": round(p95, 6) if count else None,
            "p99_s": round(p99, 6) if count else None,
        }
        return Outgoing(WINDOWS.name, tenant.encode(), orjson.dumps(document), self.partition)


def _nothing_excluded(rows: Rows) -> npt.NDArray[np.bool_]:
    return np.zeros(len(rows), dtype=np.bool_)


def _micros(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    numbers: npt.NDArray[np.int64] = column.combine_chunks().cast(pa.int64()).to_numpy()
    return numbers


def _flags(values: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(values.to_numpy(), dtype=np.bool_)


def _text(instant_us: int) -> str:
    seconds, micros = divmod(instant_us, MICROS)
    return rfc3339(datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros))
