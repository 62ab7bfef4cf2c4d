"""Records on the result topics and rows of the result tables."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from mailsla.schemas import topics
from mailsla.schemas.codec.identifiers import Instant, TenantId
from mailsla.schemas.indicators import Comparator, MonthVerdict, Verdict
from mailsla.schemas.remedies import Remedy

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
    """The tenant."""
    family: Family
    """What is measured."""
    direction: Literal["outbound", "inbound"] | None = None
    """Of latency: which mail."""
    window: WindowName
    """Length of the window."""
    window_start: Instant
    """First instant of the window."""
    window_end: Instant
    """First instant after the window."""
    as_of: Instant
    """Event time up to which the values are known."""
    revision: Annotated[int, Field(ge=1)] = 1
    """Counts the publications of this very window; the highest one is right, whenever it came."""
    count: int | None = None
    """Latency: messages that finished in the window."""
    mean_s: float | None = None
    """Latency: arithmetic mean, seconds."""
    max_s: float | None = None
    """Latency: largest, seconds."""
    exceedances: int | None = None
    """Latency: messages over the maximum."""
    p50_s: float | None = None
    """Latency: median, seconds."""
    p95_s: float | None = None
    """Latency: 95th percentile, seconds."""
    p99_s: float | None = None
    """Latency: 99th percentile, seconds."""
    state: Literal["up", "down", "unknown"] | None = None
    """Connectivity: the state at `as_of`."""
    down_s: float | None = None
    """Connectivity: seconds without it."""
    excluded_s: float | None = None
    """Connectivity: seconds of these that are excluded."""
    net_down_s: float | None = None
    """Connectivity: seconds that count."""
    unobserved_s: float | None = None
    """Connectivity: seconds nobody observed."""
    burn_rate: float | None = None
    """How many times faster than allowed the budget is spent."""
    open_incidents: int | None = None
    """Faults: incidents that go on."""
    fault_s: float | None = None
    """Faults: seconds of them."""
    adjustment_s: float | None = None
    """Faults: seconds of planned work."""
    availability: float | None = None
    """Faults: share of the window without them."""


class Outage(Result):
    """A connectivity outage of one tenant (``sla.outages``); the newest record of an id holds."""

    tenant_id: TenantId
    """The tenant."""
    outage_id: str
    """Identifies the outage within the tenant."""
    status: Literal["opened", "closed", "corrected", "withdrawn"]
    """What this record says of it."""
    started_at: Instant
    """First instant of the outage."""
    ended_at: Instant | None = None
    """First instant after it; absent: it goes on."""
    capabilities: tuple[str, ...] = ()
    """What failed."""
    evidence: tuple[str, ...] = ()
    """Events or declarations it rests on."""
    as_of: Instant
    """Event time up to which this is known."""


class Status(Result):
    """The present state of one indicator of one tenant (``sla.status``)."""

    tenant_id: TenantId
    """The tenant."""
    indicator: str
    """The indicator."""
    section: int
    """Section of the agreement."""
    period: str
    """Month, `2026-10`."""
    state: State
    """Its state."""
    observed: Figure | None
    """What was measured, in `unit`; null: nothing."""
    target: Figure | None
    """What is promised, in `unit`."""
    comparator: Comparator | None
    """How observed must stand to the target."""
    unit: str
    """Unit of the figures."""
    remedy: Remedy
    """What a breach owes."""
    sequence: int
    """Counts the transitions of the indicator in the period."""
    event_time: Instant
    """When it came to this state."""
    profile: str
    """Name and version of the reading."""
    contract_version: int
    """Version of the contract it is judged by."""


class BurnData(Result):
    """A level of ``sla.budget.burn``: how many times faster than allowed a budget is spent."""

    long: str
    """The long window."""
    short: str
    """The short window."""
    long_rate: Figure
    """Rate over the long window."""
    short_rate: Figure
    """Rate over the short window."""
    threshold: Figure
    """Rate from which the level is active."""
    active: bool
    """Whether both windows reach the threshold; otherwise the level has ended."""


class BreachData(Result):
    """The ``data`` of an event on the breach feed."""

    tenant_id: TenantId
    """The tenant."""
    contract_version: int
    """Version of the contract it is judged by."""
    section: int
    """Section of the agreement."""
    indicator: str
    """The indicator."""
    period: str
    """Month, `2026-10`."""
    state: str
    """State after the transition."""
    observed: Figure | None
    """What was measured at that instant, in `unit`; null: nothing."""
    target: Figure | None
    """What is promised, in `unit`."""
    comparator: Comparator | None
    """How observed must stand to the target."""
    unit: str
    """Unit of the figures."""
    remedy: Remedy
    """What a breach owes."""
    sequence: int
    """Counts the transitions of the indicator in the period."""
    evidence: Annotated[tuple[str, ...], Field(max_length=20)]
    """Up to 20 events or outages it rests on."""
    profile: str
    """Name and version of the reading."""
    event_time: Instant
    """When what triggered it happened."""
    excluded: Figure | None = None
    """What of it is excluded, in `unit`."""
    burn: BurnData | None = None
    """Of ``sla.budget.burn`` alone."""


class CloudEnvelope(Result):
    """Common to CloudEvents 1.0 in structured JSON."""

    specversion: Literal["1.0"] = "1.0"
    """Version of CloudEvents."""
    id: str
    """Identifies the event; a redelivery repeats it."""
    source: str
    """The service that tells."""
    subject: TenantId
    """The tenant."""
    time: Instant
    """When it happened."""
    datacontenttype: Literal["application/json"] = "application/json"
    """Media type of `data`."""
    dataschema: str | None = None
    """Address of the schema of `data`."""


class CloudEvent(CloudEnvelope):
    """A CloudEvent of any type, its data unread."""

    type: str
    """What happened."""
    data: dict[str, Any]
    """What is told."""


class BreachEvent(CloudEnvelope):
    """One record of the breach feed (``sla.breaches``).

    ``id`` is a function of tenant, indicator, period and sequence: a redelivery repeats it.
    """

    type: BreachType
    """Which transition."""
    data: BreachData
    """The transition."""


class ItemPart(Result):
    """A part ``[from, to)`` of a month that one version of the contract judges, local days."""

    model_config = ConfigDict(serialize_by_alias=True)

    version: int
    """Version of the contract."""
    first: Annotated[date, Field(alias="from")]
    """First local day of the part."""
    end: Annotated[date, Field(alias="to")]
    """First local day after it."""
    observed: Decimal | None
    """What was measured, in the unit of the indicator."""
    target: Decimal | None
    """What is promised."""
    comparator: Comparator | None
    """How observed must stand to the target."""
    verdict: Verdict
    """Verdict of the part."""


class ClosingItem(Result):
    """One indicator of one tenant in one month: a row of ``clause_results``.

    Where the contract changes within the month, ``parts`` is what the verdict is made of: breached
    if any part is. The values are those of the whole month, target and version of the last version.
    """

    tenant_id: TenantId
    """The tenant."""
    month: str
    """Month, `2026-10`."""
    section: int
    """Section of the agreement."""
    indicator: str
    """The indicator."""
    observed: Exact | None
    """What counts, in `unit`; null: nothing was measured."""
    raw: Exact | None
    """What was measured before exclusions, in `unit`."""
    excluded: Exact | None
    """What exclusions took away, in `unit`; of means and shares how many events."""
    unit: str
    """Unit of the figures."""
    comparator: Comparator | None
    """How observed must stand to the target."""
    target: Exact | None
    """What is promised, in `unit`."""
    verdict: Verdict
    """The verdict."""
    remedy: Remedy
    """What a breach owes."""
    evidence_count: int
    """How many rows of evidence it rests on."""
    contract_version: int
    """Version of the contract it is judged by."""
    profile: str
    """Name and version of the reading."""
    parts: tuple[ItemPart, ...] = ()
    """Parts of the month, where the contract changes within it."""


class Credit(Result):
    """What is owed for a tenant-month, or the reversal of what a revision owed."""

    tenant_id: TenantId
    """The tenant."""
    month: str
    """Month it is owed for, `2026-10`."""
    revision: int
    """Revision of the closing that owes it."""
    remedy: Remedy
    """What it is."""
    days: int | None = None
    """Days of service owed."""
    amount: Exact | None = None
    """Amount owed."""
    currency: str | None = None
    """Currency, ISO 4217."""
    kind: Literal["issue", "reversal"]
    """`issue`: it is owed; `reversal`: it is owed no longer."""


class Closing(Result):
    """A tenant-month as closed: one revision, never rewritten."""

    tenant_id: TenantId
    """The tenant."""
    month: str
    """Month, `2026-10`."""
    revision: int
    """Counts the closings of the tenant-month from 1."""
    verdict: MonthVerdict
    """Verdict of the month."""
    remedies: tuple[Remedy, ...]
    """What is owed."""
    items: tuple[ClosingItem, ...]
    """Every indicator."""
    credits: tuple[Credit, ...] = ()
    """What this revision issues, and what it reverses of the one before."""
    provisional: bool = False
    """Closed before the month was over, while records were still to land, or ``undecided``."""
    undecided: tuple[str, ...] = ()
    """Indicators that hang on working days which only a later official notice decides."""
    closed_at: Instant | None = None
    """When it was closed."""
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
    """What happened."""
    data: Closing
    """The closed month."""


class DeadLetter(Result):
    """A record that could not be accepted (``sla.dead_letters``), with its original bytes."""

    topic: str
    """Topic of the record."""
    partition: int
    """Its partition."""
    offset: int
    """Its offset."""
    reason: str
    """Why it could not be accepted."""
    field: str | None
    """Which field is at fault."""
    received_at: Instant
    """When it was read."""
    value_b64: str
    """Its bytes, base64."""


RESULT_MODELS: Final[Mapping[str, type[Result]]] = {  # result topic → model of its records
    topics.WINDOWS.name: Window,
    topics.OUTAGES.name: Outage,
    topics.BREACHES.name: BreachEvent,
    topics.STATUS.name: Status,
    topics.CLOSINGS.name: ClosingEvent,
    topics.DEAD_LETTERS.name: DeadLetter,
}
