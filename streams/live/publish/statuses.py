"""Present states of indicators as records of ``sla.status``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from mailsla.schemas.contract import Term
from mailsla.schemas.indicators import INDICATORS
from mailsla.schemas.results import State
from mailsla.schemas.topics import STATUS
from mailsla.streams.clauses.facts.exclusions import LATENCY
from mailsla.streams.clauses.model.contracts import Governed
from mailsla.streams.live.evaluate.assessment import Assessment
from mailsla.streams.live.evaluate.states import Transition
from mailsla.streams.live.publish.times import text_of
from mailsla.streams.runtime.checkpoint.writer import Outgoing

_VALUE: Final = (
    b'{"tenant_id":"%b",%b,"state":"%b","observed":%b,%b,"sequence":%d,"event_time":"%b"}'
)
"""A tenant's id needs no quoting: it has letters, digits, and three signs."""

_NOTHING: Final[dict[tuple[str, str], int]] = {}
_NOTHING_SAID: Final = -1
"""In the place of a digest: no hash is -1."""

_SaidOf = dict[str, dict[tuple[str, str], int]]
"""Tenant → indicator and period → a digest of what was published last."""


@dataclass(frozen=True, slots=True)
class StatusWording:
    """What all records of an indicator and month under one promise have in common.

    ``head`` stands between the tenant and the state, ``tail`` between the value and the sequence
    number; ``digest`` stands for both.
    """

    key: tuple[str, str]
    name: bytes
    section: int
    head: bytes
    tail: bytes
    digest: int

    @classmethod
    def of(cls, indicator: str, governed: Governed, term: Term, period: str) -> "StatusWording":
        """That of an indicator, judged by a term, in a period."""
        contract = governed.contract
        head = {
            "contract_version": contract.version,
            "section": term.section,
            "indicator": indicator,
            "period": period,
        }
        tail = {
            "target": None if term.target is None else float(term.target),
            "comparator": term.comparator,
            "unit": term.unit,
            "remedy": term.remedy,
            "profile": contract.profile.label,
        }
        written = orjson.dumps(head)[1:-1], orjson.dumps(tail)[1:-1]
        key, name = (indicator, period), indicator.encode()
        return cls(key, name, term.section, *written, hash(written))


Found = tuple[StatusWording, State, float | None, int, bool]
"""How an indicator stands: its wording, state, value, the number of its last transition, and
whether there is anything to say where nothing was said before."""


class StatusRecords:
    """The present states of indicators, each published when it is not what it was last."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._of_mail: _SaidOf = {}
        self._of_others: _SaidOf = {}
        self.turned: set[str] = set()
        """Tenants with transitions of section 2 since the last round."""
        self.present = ""
        """The month come to (``YYYY-MM``), in the default zone."""
        self.elsewhere: dict[str, dict[str, str]] = {}
        """Tenant → indicator → the period that it was told of last, if any was not ``present``."""

    def said_of_others(self, tenant: str) -> Mapping[tuple[str, str], int]:
        """What was published of the sections of a tenant but 2."""
        return self._of_others.get(tenant, {})

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
        measure, observed = assessment.measure, assessment.measure.observed
        wording = StatusWording.of(
            measure.indicator, assessment.governed, assessment.term, assessment.month.label
        )
        always = emptied or says_anything(assessment, state)
        value = None if observed is None else float(observed)
        found = (wording, state, value, sequence, always)
        return next(iter(self.of(tenant, [found], now_us)), None)

    def of(self, tenant: str, found: Iterable[Found], now_us: int) -> list[Outgoing]:
        """The records of some indicators of a tenant of which there is news.

        Args:
            tenant: whose they are.
            found: how each of them stands; most have much in common with those of others.
            now_us: event time reached.

        """
        name, at, records = tenant.encode(), text_of(now_us).encode(), []
        for wording, state, observed, sequence, always in found:
            said = self._of_mail if wording.section == LATENCY else self._of_others
            known = said.get(tenant, _NOTHING)
            digest = hash((wording.digest, state, observed, sequence))
            before = known.get(wording.key)
            if before == digest or (before is None and not always):
                continue
            if known is _NOTHING:
                known = said[tenant] = {}
            known[wording.key] = digest
            if wording.key[1] != self.present or self.elsewhere:
                self._note(tenant, *wording.key)
            told = b"null" if observed is None else repr(observed).encode()
            value = _VALUE % (name, wording.head, state.encode(), told, wording.tail, sequence, at)
            key = b"%b/%b" % (name, wording.name)
            records.append(Outgoing(STATUS.name, key, value, self._partition))
        return records

    def of_transition(self, transition: Transition) -> Outgoing | None:
        """The record of the state that a transition leads to, also where that is no data at all."""
        found = transition.assessment
        if found.term.section == LATENCY:
            self.turned.add(found.tenant_id)
        state, at_us = transition.state, transition.at_us
        return self.record(found.tenant_id, found, state, transition.sequence, at_us, emptied=True)

    def _note(self, tenant: str, indicator: str, period: str) -> None:
        if period != self.present or tenant in self.elsewhere:
            self.elsewhere.setdefault(tenant, {})[indicator] = period

    def unsay(self, tenant: str, period: str, indicators: Iterable[str]) -> None:
        """Take the next word of some indicators and a period for news, whatever it is."""
        for one in indicators:
            said = self._of_mail if INDICATORS[one].section == LATENCY else self._of_others
            said.setdefault(tenant, {})[one, period] = _NOTHING_SAID

    def forget(self, before: str) -> None:
        """Drop what was said of periods before a month (``YYYY-MM``)."""
        for said in (self._of_mail, self._of_others):
            for known in said.values():
                for key in [key for key in known if key[1] < before]:
                    del known[key]


def says_anything(assessment: Assessment, state: State) -> bool:
    """Whether an indicator of which nothing was ever said has anything to say."""
    measure = assessment.measure
    return measure.has_data or bool(measure.excluded) or state != "ok"
