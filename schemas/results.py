"""Records on the result topics and rows of the result tables."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from schemas import topics
from schemas.codec.identifiers import Instant, TenantId
from schemas.indicators import Comparator, MonthVerdict, Remedy, Verdict

Family = Literal["latency", "connectivity", "fault"]
WindowName = Literal["5m", "1h", "24h", "month"]
State = Literal["ok", "at_risk", "failing", "breached"]
BreachType = Literal[
    "sla.indicator.at_risk",
    "sla.indicator.failing",
    "sla.indicator.recovered",
    "sla.indicator.breached",
    "sla.indicator.withdrawn",
    "sla.budget.burn",
]

Figure = Annotated[
    Decimal,
    PlainSerializer(float, return_type=float, when_used="json"),
    WithJsonSchema({"type": "number"}),
]
"""A figure of the live results, a JSON number there."""

Exact = Annotated[Decimal, PlainSerializer("{:f}".format, return_type=str, when_used="json")]
"""A figure of a closing, a decimal string without exponent."""


class Result(BaseModel):
    """Common to every record that leaves."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Window(Result):
    """A rolling window ``[window_start, window_end)`` of one tenant (``sla.windows``)."""

    tenant_id: TenantId
    family: Family
    direction: Literal["outbound", "inbound"] | None = None
    window: WindowName
    window_start: Instant
    window_end: Instant
    as_of: Instant
    """Event time up to which the values are known."""
    revision: Annotated[int, Field(ge=1)] = 1
    """Counts the publications of this very window; the highest one is right, whenever it came."""
    count: int | None = None
    mean_s: float | None = None
    max_s: float | None = None
    exceedances: int | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    state: Literal["up", "down", "unknown"] | None = None
    down_s: float | None = None
    excluded_s: float | None = None
    net_down_s: float | None = None
    unobserved_s: float | None = None
    burn_rate: float | None = None
    open_incidents: int | None = None
    fault_s: float | None = None
    adjustment_s: float | None = None
    availability: float | None = None


class Outage(Result):
    """A connectivity outage of one tenant (``sla.outages``); the newest record of an id holds."""

    tenant_id: TenantId
    outage_id: str
    status: Literal["opened", "closed", "corrected", "withdrawn"]
    started_at: Instant
    ended_at: Instant | None = None
    capabilities: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    as_of: Instant


class Status(Result):
    """The present state of one indicator of one tenant (``sla.status``)."""

    tenant_id: TenantId
    indicator: str
    section: int
    period: str
    state: State
    observed: Figure | None
    target: Figure | None
    comparator: Comparator | None
    unit: str
    remedy: Remedy
    sequence: int
    event_time: Instant
    profile: str
    contract_version: int


class BurnData(Result):
    """A level of ``sla.budget.burn``: how many times faster than allowed a budget is spent.

    ``active`` says that both windows reach the threshold; otherwise the level has ended.
    """

    long: str
    short: str
    long_rate: Figure
    short_rate: Figure
    threshold: Figure
    active: bool


class BreachData(Result):
    """The ``data`` of an event on the breach feed."""

    tenant_id: TenantId
    contract_version: int
    section: int
    indicator: str
    period: str
    state: str
    observed: Figure | None
    target: Figure | None
    comparator: Comparator | None
    unit: str
    remedy: Remedy
    sequence: int
    evidence: Annotated[tuple[str, ...], Field(max_length=20)]
    profile: str
    event_time: Instant
    excluded: Figure | None = None
    burn: BurnData | None = None
    """Of ``sla.budget.burn`` alone."""


class CloudEnvelope(Result):
    """Common to CloudEvents 1.0 in structured JSON; ``subject`` is the tenant."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    subject: TenantId
    time: Instant
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = None


class CloudEvent(CloudEnvelope):
    """A CloudEvent of any type, its data unread."""

    type: str
    data: dict[str, Any]


class BreachEvent(CloudEnvelope):
    """One record of the breach feed (``sla.breaches``).

    ``id`` is a function of tenant, indicator, period and sequence: a redelivery repeats it.
    """

    type: BreachType
    data: BreachData


class ItemPart(Result):
    """A part ``[from, to)`` of a month that one version of the contract judges, local days."""

    model_config = ConfigDict(serialize_by_alias=True)

    version: int
    first: Annotated[date, Field(alias="from")]
    end: Annotated[date, Field(alias="to")]
    observed: Decimal | None
    target: Decimal | None
    comparator: Comparator | None
    verdict: Verdict


class ClosingItem(Result):
    """One indicator of one tenant in one month: a row of ``clause_results``.

    Where the contract changes within the month, ``parts`` is what the verdict is made of: breached
    if any part is. The values are those of the whole month, target and version of the last version.
    """

    tenant_id: TenantId
    month: str
    section: int
    indicator: str
    observed: Exact | None
    raw: Exact | None
    excluded: Exact | None
    unit: str
    comparator: Comparator | None
    target: Exact | None
    verdict: Verdict
    remedy: Remedy
    evidence_count: int
    contract_version: int
    profile: str
    parts: tuple[ItemPart, ...] = ()


class Credit(Result):
    """What is owed for a tenant-month, or the reversal of what a revision owed."""

    tenant_id: TenantId
    month: str
    revision: int
    remedy: Remedy
    days: int | None = None
    amount: Exact | None = None
    currency: str | None = None
    kind: Literal["issue", "reversal"]


class Closing(Result):
    """A tenant-month as closed: one revision, never rewritten."""

    tenant_id: TenantId
    month: str
    revision: int
    verdict: MonthVerdict
    remedies: tuple[Remedy, ...]
    items: tuple[ClosingItem, ...]
    credits: tuple[Credit, ...] = ()
    """What this revision issues, and what it reverses of the one before."""
    provisional: bool = False
    """Closed before the month was over, while records were still to land, or ``undecided``."""
    undecided: tuple[str, ...] = ()
    """Indicators that hang on working days which only a later official notice decides."""
    closed_at: Instant | None = None
    cutoff: Instant | None = None
    """Facts that had landed by then count."""
    fingerprint: str | None = None
    """Digest of the content; equal figures and credits have equal fingerprints."""
    input_digest: str | None = None
    """Digest of the events that had landed by the cutoff, the tenant's and the platform's."""
    input_events: int | None = None
    """How many they are."""


class ClosingEvent(CloudEnvelope):
    """One record of ``sla.closings``: a tenant-month-revision."""

    type: Literal["sla.month.closed"] = "sla.month.closed"
    data: Closing


class DeadLetter(Result):
    """A record that could not be accepted (``sla.dead_letters``), with its original bytes."""

    topic: str
    partition: int
    offset: int
    reason: str
    field: str | None
    received_at: Instant
    value_b64: str


RESULT_MODELS: Final[Mapping[str, type[Result]]] = {
    topics.WINDOWS.name: Window,
    topics.OUTAGES.name: Outage,
    topics.BREACHES.name: BreachEvent,
    topics.STATUS.name: Status,
    topics.CLOSINGS.name: ClosingEvent,
    topics.DEAD_LETTERS.name: DeadLetter,
}
"""result topic → model of its records."""
