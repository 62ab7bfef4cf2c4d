"""Events to try the live worker with: what they say is fixed, when they are published is not.

Two mail servers accept and finish messages of all tenants in turn, evenly over a stretch of time;
beside them probes, heartbeats and complaints come in, as thin as they are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson

from mailsla.schemas.topics import CONTRACTS, MTA
from mailsla.streams.simulate.record import HOUR, SECOND, Draft, SimulatedRecord, Timed

START = datetime(2025, 10, 10, tzinfo=UTC)
START_US = int(START.timestamp()) * SECOND
SOURCES = ("mx1.example.net/postfix", "mx2.example.net/postfix")
_MINUTE = 60 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Material:
    """``events`` mail events of ``tenants`` over ``hours`` from `START` on, and the thin ones."""

    events: int
    tenants: int
    hours: float

    @property
    def end_us(self) -> int:
        """The last message is accepted before it."""
        return START_US + int(self.hours * HOUR)

    def timed(self) -> list[Timed]:
        """Every record with the time of its event, in that order."""
        records = [*self._mail(), *self._thin()]
        records.sort(key=lambda timed: timed.arrival_us)
        return records

    def _mail(self) -> Iterator[Timed]:
        messages = self.events // 2
        chance = np.random.default_rng(7)
        latency_us = (chance.lognormal(0.9, 0.8, messages) * SECOND).astype(np.int64).tolist()
        step_us = (self.end_us - START_US) / max(1, messages)
        for number in range(messages):
            accepted_us = START_US + int(number * step_us)
            done_us = accepted_us + latency_us[number]
            # An odd step, so that each server has messages of each tenant.
            source, tenant = SOURCES[number // self.tenants % 2], tenant_name(number % self.tenants)
            about = _ABOUT % (number, tenant, _text(accepted_us))
            for kind, at_us in (("accepted", accepted_us), ("dispatched", done_us)):
                value = _EVENT % (kind[0], number, source, kind, _text(at_us), about)
                yield Timed(
                    at_us, SimulatedRecord(MTA.name, tenant.encode(), value.encode(), "event")
                )

    def _thin(self) -> Iterator[Timed]:
        minutes = int(self.hours * 60)
        for minute in range(minutes):
            at_us = START_US + minute * _MINUTE
            drafts = [
                Draft("probe.result", "*", at_us, {**_PROBE, "probe": f"smtp-{n}"})
                for n in range(2)
            ]
            drafts.append(
                Draft("monitor.heartbeat", "*", at_us, {"monitor": "m", "interval_s": 60})
            )
            if minute % 5 == 0:
                tenant = tenant_name(minute // 5 % self.tenants)
                case = {"case_id": f"c{minute}", "origin": "own_domain"}
                drafts.append(Draft("complaint.received", tenant, at_us, case))
            for place, draft in enumerate(drafts):
                yield Timed(at_us, draft.written(f"thin-{minute}-{place}"))


_ABOUT = (
    '"message_id":"%012X","tenant_id":"%s","direction":"outbound","recipient":"u@example.cn",'
    '"accepted_at":"%s"'
)
_EVENT = '{"id":"%s%010x","source":"%s","type":"message.%s","time":"%s",%s}'
_PROBE = {
    "channel": "submission",
    "capability": "send",
    "scope": "external",
    "ok": True,
    "interval_s": 60,
}


def tenant_name(number: int) -> str:
    """The tenant of a number."""
    return f"t{number:06d}"


def is_mail(record: SimulatedRecord) -> bool:
    """Whether a record belongs to the topic with nearly all events."""
    return record.topic == MTA.name


def is_of_second_source(record: SimulatedRecord) -> bool:
    """Whether a record comes from the second mail server."""
    return record.value is not None and SOURCES[1].encode() in record.value


def delayed(
    timed: Sequence[Timed], hours: float, whose: Callable[[SimulatedRecord], bool]
) -> list[SimulatedRecord]:
    """The records as they are published when some come so much later than the others."""
    late_us = int(hours * HOUR)
    moved = [(at + late_us * whose(record), record) for at, record in timed]
    return [record for _, record in sorted(moved, key=lambda pair: pair[0])]


def contracts(
    tenants: int, versions: Sequence[tuple[str, dict[str, object]]]
) -> list[SimulatedRecord]:
    """Contracts for every tenant: the first day in force and the overrides of each version."""
    records = []
    for number in range(tenants):
        tenant = tenant_name(number)
        for version, (first_day, overrides) in enumerate(versions, 1):
            document = {
                "tenant_id": tenant,
                "version": version,
                "effective_from": first_day,
                "overrides": overrides,
            }
            value = orjson.dumps(document)
            records.append(SimulatedRecord(CONTRACTS.name, tenant.encode(), value, "event"))
    return records


def _text(instant_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=instant_us)).isoformat(timespec="microseconds")
