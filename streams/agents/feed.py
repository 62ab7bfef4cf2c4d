"""The state of every indicator, and the events that tell when it changes (results, breach feed)."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from schemas.contract import Term
from schemas.results import BreachType, State
from schemas.topics import BREACHES, STATUS
from streams.agents.ledger import Finding
from streams.agents.times import text_of
from streams.runtime.delivery import Outgoing

_NAMESPACE: Final = uuid.UUID("b2f5b1a0-6f3c-5c5e-8a55-3f6f1f0f7f10")
_CONTENT_TYPE: Final = (("content-type", b"application/cloudevents+json"),)

Key = tuple[str, str, str]
"""tenant, indicator, period"""


@dataclass
class Told:
    """What was last told of an indicator in a period."""

    state: State
    sequence: int
    record: bytes = b""


class Feed:
    """Remembers what was told, so that only changes are, each with the next sequence number."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._told: dict[Key, Told] = {}
        self._news: list[tuple[str, str, str, State, int]] = []

    def restore(self, entries: Iterable[Sequence[object]]) -> None:
        """Take up sequence numbers and states where a former life left them."""
        for tenant, indicator, period, state, sequence in entries:
            key = (str(tenant), str(indicator), str(period))
            self._told[key] = Told(state, int(str(sequence)))  # type: ignore[arg-type]

    def take_news(self) -> list[tuple[str, str, str, State, int]]:
        """The states and sequence numbers that changed since the last call, to be kept."""
        news, self._news = self._news, []
        return news

    def tell(self, findings: Sequence[Finding], now_us: int) -> Iterator[Outgoing]:
        """The records that tell what changed of a tenant-month."""
        for finding in findings:
            yield from self._one(finding, now_us)

    def _one(self, finding: Finding, now_us: int) -> Iterator[Outgoing]:
        measure, contract = finding.measure, finding.governed.contract
        term = finding.term
        state = _state(finding, now_us)
        key = (finding.tenant_id, measure.indicator, finding.month.label)
        told = self._told.setdefault(key, Told("ok", 0))
        event = _event_type(told.state, state) if term.judged else None
        observed = None if measure.observed is None else float(measure.observed)
        common = {
            "tenant_id": finding.tenant_id,
            "contract_version": contract.version,
            "section": term.section,
            "indicator": measure.indicator,
            "period": finding.month.label,
            "state": state,
            "observed": observed,
            **_terms(term),
            "profile": contract.profile.label,
        }
        if event is not None:
            told.state, told.sequence = state, told.sequence + 1
            self._news.append((*key, state, told.sequence))
            yield self._breach(event, finding, common, told.sequence, now_us)
        record = orjson.dumps({**common, "sequence": told.sequence})
        if record != told.record:
            told.record = record
            status = {**common, "sequence": told.sequence, "event_time": text_of(now_us)}
            yield Outgoing(
                STATUS.name,
                f"{finding.tenant_id}/{measure.indicator}".encode(),
                orjson.dumps(status),
                self._partition,
            )

    def _breach(
        self,
        type_: BreachType,
        finding: Finding,
        common: dict[str, object],
        sequence: int,
        now_us: int,
    ) -> Outgoing:
        measure = finding.measure
        name = f"{finding.tenant_id}|{measure.indicator}|{finding.month.label}|{sequence}"
        excluded = None if measure.taken is None else float(measure.taken)
        document = {
            "specversion": "1.0",
            "id": str(uuid.uuid5(_NAMESPACE, name)),
            "source": "mailsla/streams",
            "type": type_,
            "subject": finding.tenant_id,
            "time": text_of(now_us),
            "datacontenttype": "application/json",
            "data": {
                **common,
                "sequence": sequence,
                "evidence": measure.evidence,
                "event_time": text_of(now_us),
                "excluded": excluded,
            },
        }
        return Outgoing(
            BREACHES.name,
            finding.tenant_id.encode(),
            orjson.dumps(document),
            self._partition,
            _CONTENT_TYPE,
        )


def _state(finding: Finding, now_us: int) -> State:
    """The live state; once the month is over a failing mean has breached."""
    if finding.state == "failing" and now_us >= finding.governed.period.end_us:
        return "breached" if finding.verdict == "breached" else "ok"
    return finding.state


def _event_type(before: State, after: State) -> BreachType | None:
    if before == after:
        return None
    if before == "breached":
        return "sla.indicator.withdrawn"
    match after:
        case "breached":
            return "sla.indicator.breached"
        case "failing":
            return "sla.indicator.failing"
        case "at_risk":
            return "sla.indicator.at_risk"
        case "ok":
            return "sla.indicator.recovered"


def _terms(term: Term) -> dict[str, object]:
    return {
        "target": None if term.target is None else float(term.target),
        "comparator": term.comparator,
        "unit": term.unit,
        "remedy": term.remedy,
    }
