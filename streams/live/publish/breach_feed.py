"""Transitions as events of the breach feed, and assessments as present states."""

import uuid
from typing import Final

import orjson

from mailsla.schemas.results import State
from mailsla.schemas.topics import BREACHES, STATUS
from mailsla.streams.clauses.facts.exclusions import LATENCY
from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.states import Transition, key_of
from mailsla.streams.live.publish.times import text_of
from mailsla.streams.runtime.checkpoint.writer import Outgoing

_NAMESPACE: Final = uuid.UUID("b2f5b1a0-6f3c-5c5e-8a55-3f6f1f0f7f10")
_CONTENT_TYPE: Final = (("content-type", b"application/cloudevents+json"),)


def breach_record(transition: Transition, partition: int) -> Outgoing:
    """The CloudEvent of a transition; its id is a function of the indicator and the sequence."""
    assessment = transition.assessment
    measure = assessment.measure
    name = "|".join((*key_of(assessment), str(transition.sequence)))
    at = text_of(transition.at_us)
    document = {
        "specversion": "1.0",
        "id": str(uuid.uuid5(_NAMESPACE, name)),
        "source": "mailsla/streams",
        "type": transition.type,
        "subject": assessment.tenant_id,
        "time": at,
        "datacontenttype": "application/json",
        "data": {
            "tenant_id": assessment.tenant_id,
            **_common(assessment, transition.state),
            "sequence": transition.sequence,
            "evidence": measure.evidence,
            "event_time": at,
            "since": text_of(transition.since_us),
            "announced": at,
            "excluded": None if measure.taken is None else float(measure.taken),
            **transition.more,
        },
    }
    return Outgoing(
        BREACHES.name,
        assessment.tenant_id.encode(),
        orjson.dumps(document),
        partition,
        _CONTENT_TYPE,
    )


class StatusRecords:
    """The present states of indicators, each published when it is not what it was last."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._published: dict[str, dict[tuple[str, str], int]] = {}
        self._turned: set[str] = set()

    def record(
        self,
        tenant: str,
        assessment: Assessment,
        state: State,
        sequence: int,
        now_us: int,
        emptied: bool = False,
    ) -> Outgoing | None:
        """The record of an indicator, if there is news.

        Args:
            tenant: whose it is; the assessment may be that of another who stands alike.
            assessment: the indicator; where it has no data and never had any, nothing is said.
            state: its state.
            sequence: the number of its last transition.
            now_us: event time reached.
            emptied: that it may have had data, whatever is known of it here.

        """
        known = self._published.setdefault(tenant, {})
        measure = assessment.measure
        indicator = measure.indicator
        key = indicator, assessment.month.label
        nothing = not measure.has_data and not measure.excluded and state == "ok"
        if nothing and not emptied and key not in known:
            return None
        said = _common(assessment, state)
        digest = hash((*said.values(), sequence))
        if known.get(key) == digest:
            return None
        known[key] = digest
        status = {"tenant_id": tenant, **said, "sequence": sequence, "event_time": text_of(now_us)}
        return Outgoing(
            STATUS.name, f"{tenant}/{indicator}".encode(), orjson.dumps(status), self._partition
        )

    def of_transition(self, transition: Transition) -> Outgoing | None:
        """The record of the state that a transition leads to."""
        found = transition.assessment
        if found.term.section == LATENCY:
            self._turned.add(found.tenant_id)
        return self.record(
            found.tenant_id, found, transition.state, transition.sequence, transition.at_us
        )

    def take_turned(self) -> set[str]:
        """The tenants with transitions of section 2 since the last call."""
        turned, self._turned = self._turned, set()
        return turned

    def forget(self, before: str) -> None:
        """Drop what was said of periods before a month (``YYYY-MM``)."""
        for known in self._published.values():
            for key in [key for key in known if key[1] < before]:
                del known[key]


def _common(assessment: Assessment, state: State) -> dict[str, object]:
    measure, contract, term = assessment.measure, assessment.governed.contract, assessment.term
    observed = measure.observed
    return {
        "contract_version": contract.version,
        "section": term.section,
        "indicator": measure.indicator,
        "period": assessment.month.label,
        "state": state,
        "observed": None if observed is None else float(observed),
        "target": None if term.target is None else float(term.target),
        "comparator": term.comparator,
        "unit": term.unit,
        "remedy": term.remedy,
        "profile": contract.profile.label,
    }
