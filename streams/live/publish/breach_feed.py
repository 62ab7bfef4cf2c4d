"""Transitions as events of the breach feed."""

import uuid
from typing import Final

import orjson

from mailsla.schemas.results import State
from mailsla.schemas.topics import BREACHES
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
    return _record(assessment.tenant_id, orjson.dumps(document), partition)


def told_record(event: bytes, partition: int) -> Outgoing:
    """The record of an event that is written already."""
    return _record(orjson.loads(event)["subject"], event, partition)


def _record(tenant: str, event: bytes, partition: int) -> Outgoing:
    return Outgoing(BREACHES.name, tenant.encode(), event, partition, _CONTENT_TYPE)


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
