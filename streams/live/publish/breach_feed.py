"""The state of every indicator, and the events that tell when it changes (results, breach feed)."""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from schemas.results import BreachType, State
from schemas.topics import BREACHES, STATUS
from streams.clauses.burn import Burn
from streams.clauses.life import Life
from streams.live.evaluate.assessment import Finding
from streams.live.publish.times import text_of
from streams.runtime.delivery import Outgoing
from streams.windows.calendar import SECOND

_NAMESPACE: Final = uuid.UUID("b2f5b1a0-6f3c-5c5e-8a55-3f6f1f0f7f10")
_CONTENT_TYPE: Final = (("content-type", b"application/cloudevents+json"),)

Key = tuple[str, str, str]
"""tenant, indicator, period"""


Entry = tuple[str, str, str, State, int, State, int, list[str]]
"""A key; the state told last, its sequence number; the present state, and since when, µs; the
levels at which the budget burns."""


@dataclass
class Told:
    """What was told of an indicator, and the state it is in."""

    life: Life = field(default_factory=Life)
    sequence: int = 0
    record: bytes = b""
    burning: list[str] = field(default_factory=list)


class Feed:
    """Remembers what was told, so that only changes are, each with the next sequence number."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._told: dict[Key, Told] = {}
        self._news: set[Key] = set()

    def restore(self, entries: Iterable[Entry]) -> None:
        """Take up sequence numbers and states where a former life left them."""
        for tenant, indicator, period, told, sequence, present, since_us, burning in entries:
            life = Life(told, present, since_us)
            self._told[tenant, indicator, period] = Told(life, sequence, b"", list(burning))

    def take_news(self) -> list[Entry]:
        """The states and sequence numbers that changed since the last call, to be kept."""
        found: list[Entry] = []
        for key in sorted(self._news):
            told = self._told[key]
            life = told.life
            state = (life.told, told.sequence, life.present, life.since_us)
            found.append((*key, *state, told.burning))
        self._news.clear()
        return found

    def present(self, key: Key) -> State:
        """The state an indicator was last seen in."""
        told = self._told.get(key)
        return "ok" if told is None else told.life.present

    def due_us(self, finding: Finding) -> int | None:
        """When a change is told that has still to hold."""
        told = self._told.get(key_of(finding))
        return None if told is None else told.life.due_us(_hold_us(finding))

    def turn(self, finding: Finding, at_us: int, over: bool) -> Iterator[Outgoing]:
        """What is to be told of an indicator that is found in a state.

        Args:
            finding: the indicator; what is not judged has no life.
            at_us: since when it is in that state, event time, µs; never before an earlier call's.
            over: whether its month is over, so that a mean that misses its target has breached.

        """
        if not finding.term.judged:
            return
        key = key_of(finding)
        told = self._told.setdefault(key, Told())
        life = told.life
        before = (life.told, life.present, life.since_us)
        for type_, state, told_us in life.turn(
            _state(finding, over), finding.firm, at_us, _hold_us(finding)
        ):
            told.sequence += 1
            yield self._event(type_, finding, state, told.sequence, told_us, {})
        if before != (life.told, life.present, life.since_us):
            self._news.add(key)

    def burn(self, finding: Finding, levels: Iterable[Burn], at_us: int) -> Iterator[Outgoing]:
        """The levels at which a budget has begun to burn, or no longer does."""
        key = key_of(finding)
        told = self._told.setdefault(key, Told())
        for level in levels:
            if level.active == (level.long in told.burning):
                continue
            if level.active:
                told.burning.append(level.long)
            else:
                told.burning.remove(level.long)
            told.sequence += 1
            self._news.add(key)
            yield self._event(
                "sla.budget.burn",
                finding,
                finding.state,
                told.sequence,
                at_us,
                {
                    "burn": {
                        "long": level.long,
                        "short": level.short,
                        "long_rate": round(float(level.long_rate), 6),
                        "short_rate": round(float(level.short_rate), 6),
                        "threshold": float(level.threshold),
                        "active": level.active,
                    }
                },
            )

    def is_burning(self, finding: Finding) -> bool:
        """Whether a level was told to have begun and not to have ended."""
        told = self._told.get(key_of(finding))
        return told is not None and bool(told.burning)

    def show(self, finding: Finding, now_us: int, over: bool) -> Iterator[Outgoing]:
        """The present state of an indicator, if it is not what was shown last."""
        told = self._told.setdefault(key_of(finding), Told())
        common = _common(finding, _state(finding, over))
        record = orjson.dumps({**common, "sequence": told.sequence})
        if record != told.record:
            told.record = record
            status = {**common, "sequence": told.sequence, "event_time": text_of(now_us)}
            yield Outgoing(
                STATUS.name,
                f"{finding.tenant_id}/{finding.measure.indicator}".encode(),
                orjson.dumps(status),
                self._partition,
            )

    def _event(
        self,
        type_: BreachType,
        finding: Finding,
        state: State,
        sequence: int,
        at_us: int,
        more: Mapping[str, object],
    ) -> Outgoing:
        measure = finding.measure
        name = "|".join((*key_of(finding), str(sequence)))
        excluded = None if measure.taken is None else float(measure.taken)
        document = {
            "specversion": "1.0",
            "id": str(uuid.uuid5(_NAMESPACE, name)),
            "source": "mailsla/streams",
            "type": type_,
            "subject": finding.tenant_id,
            "time": text_of(at_us),
            "datacontenttype": "application/json",
            "data": {
                **_common(finding, state),
                "sequence": sequence,
                "evidence": measure.evidence,
                "event_time": text_of(at_us),
                "excluded": excluded,
                **more,
            },
        }
        return Outgoing(
            BREACHES.name,
            finding.tenant_id.encode(),
            orjson.dumps(document),
            self._partition,
            _CONTENT_TYPE,
        )


def key_of(finding: Finding) -> Key:
    """Under which an indicator of a tenant-month is remembered."""
    return finding.tenant_id, finding.measure.indicator, finding.month.label


def _hold_us(finding: Finding) -> int:
    return finding.governed.contract.profile.feed_hold_s * SECOND


def _state(finding: Finding, over: bool) -> State:
    """The live state; once the month is over a failing mean has breached."""
    if finding.state == "failing" and over:
        return "breached" if finding.verdict == "breached" else "ok"
    return finding.state


def _common(finding: Finding, state: State) -> dict[str, object]:
    measure, contract, term = finding.measure, finding.governed.contract, finding.term
    return {
        "tenant_id": finding.tenant_id,
        "contract_version": contract.version,
        "section": term.section,
        "indicator": measure.indicator,
        "period": finding.month.label,
        "state": state,
        "observed": None if measure.observed is None else float(measure.observed),
        "target": None if term.target is None else float(term.target),
        "comparator": term.comparator,
        "unit": term.unit,
        "remedy": term.remedy,
        "profile": contract.profile.label,
    }
