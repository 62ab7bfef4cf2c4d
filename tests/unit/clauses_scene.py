"""A tenant-month to throw events at: builds facts and measures them."""

from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from mailsla.schemas.contract import Contract
from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.lines import encode_fact, fact_of
from mailsla.schemas.indicators import Verdict
from mailsla.streams.clauses.facts.billing import BillingRegister
from mailsla.streams.clauses.model.contracts import Governed, governing
from mailsla.streams.clauses.model.measure import Measure, judge, live_state
from mailsla.streams.clauses.registry import Context, Scope, measure
from mailsla.streams.live.state.landed import LandedEvents
from mailsla.streams.time.calendar import SECOND, Month, to_us

TENANT = "acme"


def at(text: str, zone: str = "Asia/Shanghai") -> int:
    """A local time such as '2026-10-05 09:30' as microseconds."""
    return to_us(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def contract(**changes: Any) -> Contract:
    base = {"tenant_id": TENANT, "version": 1, "effective_from": date(2020, 1, 1)}
    return Contract.model_validate(base | changes)


_numbers = count()


def fact(type_: str, time: int, tenant: str = TENANT, **fields: Any) -> Fact:
    number = next(_numbers)
    head = {"id": f"e{number:06d}", "source": "test", "type": type_}
    return fact_of(head | {"tenant_id": tenant, "time": time} | fields)


@dataclass
class Scene:
    """One tenant, the platform, one month."""

    month: str = "2026-10"
    versions: list[Contract] = field(default_factory=list)
    own: Scope = field(default_factory=lambda: Scope(TENANT))
    platform: Scope = field(default_factory=lambda: Scope("*"))
    register: BillingRegister = field(default_factory=BillingRegister)
    landed: LandedEvents = field(default_factory=lambda: LandedEvents(len))

    @property
    def governed(self) -> Governed:
        return governing(TENANT, self.versions, Month.parse(self.month))

    @property
    def start(self) -> int:
        return self.governed.period.start_us

    @property
    def end(self) -> int:
        return self.governed.period.end_us

    def tell(self, *facts: Fact) -> "Scene":
        for each in facts:
            if self.landed.take(each, encode_fact(each)).is_new:
                scope = self.platform if each.tenant_id == "*" else self.own
                scope.observe(each)
                self.register.observe(each)
        return self

    def say(self, type_: str, time: int, tenant: str = TENANT, **fields: Any) -> Fact:
        told = fact(type_, time, tenant, **fields)
        self.tell(told)
        return told

    def context(self, now: int | None = None) -> Context:
        moment = self.end if now is None else now
        return Context(self.own, self.platform, self.governed, moment, self.register)

    def measures(self, now: int | None = None) -> dict[str, Measure]:
        return {each.indicator: each for each in measure(self.context(now))}

    def measure(self, indicator: str, now: int | None = None) -> Measure:
        return self.measures(now)[indicator]

    def verdict(self, indicator: str) -> Verdict:
        return judge(self.measure(indicator), self.governed.contract.term(indicator))

    def state(self, indicator: str, now: int) -> str:
        term = self.governed.contract.term(indicator)
        return live_state(self.measure(indicator, now), term)

    # What happens in the tests, in the words of the agreement.

    def incident(
        self, kind: str, start: int, end: int | None, tenant: str = TENANT, name: str | None = None
    ) -> None:
        name = name or f"incident-{next(_numbers)}"
        self.say("incident.opened", start, tenant, incident_id=name, kind=kind)
        if end is not None:
            self.say("incident.closed", end, tenant, incident_id=name)

    def outage(self, start: int, end: int) -> None:
        """A failing probe from start to end, good ones around it all month."""
        self.probe(self.start, True, self.end - self.start)
        self.probe(start, False, 2 * (end - start))
        self.probe(end, True, self.end - self.start)

    def probe(
        self,
        time: int,
        ok: bool,
        interval: int = 60 * SECOND,
        tenant: str = TENANT,
        capability: str = "send",
        scope: str = "internal",
        probe: str = "p",
        channel: str = "smtp",
    ) -> Fact:
        return self.say(
            "probe.result",
            time,
            tenant,
            probe=probe,
            channel=channel,
            capability=capability,
            scope=scope,
            ok=ok,
            interval_s=interval / SECOND,
        )

    def exclude(
        self,
        start: int,
        end: int,
        code: str = "carrier",
        tenant: str = TENANT,
        name: str | None = None,
        **fields: Any,
    ) -> Fact:
        return self.say(
            "exclusion.declared",
            fields.pop("declared", self.start),
            tenant,
            exclusion_id=name or f"exclusion-{next(_numbers)}",
            code=code,
            starts_at=start,
            ends_at=end,
            **fields,
        )
