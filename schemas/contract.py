"""Contract documents: which version of the promise a tenant has, and how it is read."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mailsla.schemas.calendars import checked_name
from mailsla.schemas.codec.identifiers import (
    PLATFORM,
    Currency,
    ExclusionCode,
    Name,
    TenantId,
    or_default,
)
from mailsla.schemas.indicators import INDICATORS, SECTIONS, Comparator, Indicator
from mailsla.schemas.remedies import Remedy

DEFAULT_TIMEZONE: Final = "Asia/Shanghai"


def _decimal_text(value: object) -> object:
    """Take a number as it is written, so that 0.00003 does not pass through binary."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return Decimal(str(value))
    return value


DECIMALS: Final = 12
"""Decimals of a figure that every store on the way keeps exactly."""
_BEYOND: Final = 10**18


def _storable(value: Decimal) -> Decimal:
    """Refuse a figure of which a store would lose digits."""
    if not value.is_finite():
        raise PydanticCustomError("finite_number", "not finite")
    if abs(value) >= _BEYOND or value != round(value, DECIMALS):
        raise ValueError(
            f"cannot be judged exactly; use at most {DECIMALS} decimals and 18 digits before them"
        )
    return value


Exact = Annotated[
    Decimal,
    BeforeValidator(_decimal_text, json_schema_input_type=float | str),
    AfterValidator(_storable),
]
Version = Annotated[int, Field(ge=0, lt=2**63)]
ServiceDay = Annotated[date, Field(ge=date(1970, 1, 1), lt=date(2200, 1, 1))]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Profile(_Document):
    """The readings of the agreement where its text leaves room; every default is in contract order.

    Name and version are stored with every verdict.
    """

    name: Name = "default"
    """Name of the reading."""
    version: Annotated[int, Field(ge=1, lt=2**63)] = 1
    """Version of the reading."""
    max_latency_s: Annotated[int, Field(ge=1, le=366 * 86_400)] = 3600
    """Section 2: a message over this is an exceedance; a year at most."""
    probe_hold_factor: Annotated[int, Field(ge=1, le=100)] = 2
    """Section 1: a probe result holds at most this many intervals."""
    approval: tuple[Literal["exclusion", "outage"], ...] = ()
    """Exclusions, section 1: what counts only once a second person has approved it."""
    notice_days: Annotated[int, Field(ge=0, le=366)] = 0
    """Exclusions: agreed maintenance counts only if declared so many days (24 h) before it; 0: also
    if declared afterwards."""
    max_hours_per_year: Annotated[int, Field(ge=0, le=8784)] | None = None
    """Exclusions: so many hours of agreed maintenance count in a year, the earliest; null: all."""
    operations_exclusions: tuple[ExclusionCode, ...] = ()
    """Section 3: exclusion codes that also excuse faults; none by default."""
    full_year_days: Literal["natural"] = "natural"
    """Section 3: fault-free days are counted over the natural year."""
    response_working_days: Annotated[int, Field(ge=1, le=30)] = 1
    """Section 4: complaints are answered by the end of this working day after receipt."""
    result_notice_days: Annotated[int, Field(ge=1, le=365)] = 3
    """Section 4: natural days after the day of receipt."""
    blocklist_working_days: Annotated[int, Field(ge=1, le=30)] = 1
    """Section 4: published lists are acted on by the end of this working day."""
    listing_report_working_days: Annotated[int, Field(ge=1, le=30)] = 1
    """Section 4: what 及时 (promptly) means."""
    outbreak_updates: Annotated[int, Field(ge=1, le=100)] = 2
    """Section 5: updates due in a week that an outbreak touches."""
    full_backup_days: Annotated[int, Field(ge=1, le=366)] = 3
    """Section 7: a full backup at least once in this many local days."""
    account_retention_days: Annotated[int, Field(ge=1, le=3660)] = 90
    """Section 7: data of a locked account are kept so many days."""
    own_domain_hours: Annotated[int, Field(ge=1, le=8760)] = 24
    """Section 8: an order with a domain of the customer is fulfilled within so many hours."""
    new_domain_hours: Annotated[int, Field(ge=1, le=8760)] = 48
    """Section 8: an order with a new domain is fulfilled within so many hours."""
    stacking: Literal["once", "per_section"] = "once"
    """Whether several breached sections with one remedy owe it once a month or each."""
    at_risk_share: Annotated[Exact, Field(gt=0, le=1)] = Decimal("0.8")
    """Breach feed: an indicator is at risk from this share of its budget."""
    deadline_share: Annotated[Exact, Field(gt=0, le=1)] = Decimal("0.8")
    """Breach feed: something due is at risk from this share of its time."""
    in_flight_share: Annotated[Exact, Field(gt=0, le=1)] = Decimal("0.5")
    """Breach feed: a message in flight is at risk from this share of the maximum latency."""
    burn_rates: tuple[Exact, Exact, Exact, Exact] = (
        Decimal("14.4"),
        Decimal(6),
        Decimal(3),
        Decimal(1),
    )
    """Breach feed: a budget of time burns this many times too fast: 1h/5m, 6h/30m, 1d/2h, 3d/6h."""
    feed_hold_s: Annotated[int, Field(ge=0, le=86_400)] = 60
    """Breach feed: a change that may turn back is told once it has held so long; 0 = at once."""

    @property
    def label(self) -> str:
        """Name and version as stored with verdicts."""
        return f"{self.name}/{self.version}"


EXCLUDED_BY: Final = ("approval", "notice_days", "max_hours_per_year")
"""The fields of `Profile` that say which exclusions count."""
READINGS: Final[Mapping[int, tuple[str, ...]]] = {
    1: ("probe_hold_factor", *EXCLUDED_BY),
    2: ("max_latency_s", *EXCLUDED_BY),
    3: ("operations_exclusions", "full_year_days", *EXCLUDED_BY),
    4: (
        "response_working_days",
        "result_notice_days",
        "blocklist_working_days",
        "listing_report_working_days",
    ),
    5: ("outbreak_updates",),
    7: ("full_backup_days", "account_retention_days"),
    8: ("own_domain_hours", "new_domain_hours"),
}
"""section → the fields of `Profile` that bear on what it measures."""

DEADLINES: Final = 4
"""The section whose deadlines count working days, hence read the calendar."""


class Override(_Document):
    """What a contract changes of one indicator; an absent field keeps the default."""

    target: Exact | None = None
    """What is promised, in the unit of the indicator."""
    comparator: Comparator | None = None
    """How the observed value must stand to the target."""
    remedy: Remedy | None = None
    """What a breach owes."""
    judged: bool | None = None
    """Whether the indicator is judged at all."""


class Fee(_Document):
    """The monthly fee, exact."""

    amount: Exact
    """Amount of a month."""
    currency: Currency
    """Currency, ISO 4217."""


class Term(BaseModel):
    """An indicator as one contract promises it: defaults with the overrides applied."""

    model_config = ConfigDict(frozen=True)

    indicator: str
    section: int
    unit: str
    comparator: Comparator | None
    target: Decimal | None
    remedy: Remedy
    judged: bool


class Contract(_Document):
    """One version of one tenant's contract.

    ``effective_from`` is the first local day in force, ``effective_to`` the first no longer in
    force (half-open like every period here); without it the contract runs on. ``calendar`` may be
    a published one: whether it is published shows where its days are asked for.
    """

    tenant_id: TenantId
    """The tenant whose contract it is."""
    version: Version
    """Grows with every version."""
    name: Name | None = None
    """Name of the customer, as pages and statements show it."""
    effective_from: ServiceDay
    """First local day in force."""
    effective_to: ServiceDay | None = None
    """First local day no longer in force; absent: it runs on."""
    timezone: Annotated[str, or_default(DEFAULT_TIMEZONE)] = DEFAULT_TIMEZONE
    """IANA time zone in which its days and months are cut."""
    calendar: Annotated[str, Field(min_length=1, max_length=64), or_default("CN")] = "CN"
    """Calendar of its working days."""
    domains: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=253)], ...], or_default(())
    ] = ()
    """Mail domains of the customer."""
    monthly_fee: Fee | None = None
    """What a month costs; a waiver is worth it."""
    profile: Profile = Profile()
    """How the agreement is read where its text leaves room, or the name of a reading."""
    overrides: Annotated[dict[str, Override], or_default({})] = Field(default_factory=dict)
    """Indicator → what this contract changes of it."""

    @field_validator("profile", mode="before", json_schema_input_type=Profile | str | None)
    @classmethod
    def _profile_by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value or {}

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"{value!r} is no IANA time zone; write one such as {DEFAULT_TIMEZONE}"
            ) from None
        return value

    @field_validator("calendar")
    @classmethod
    def _known_calendar(cls, value: str) -> str:
        return checked_name(value)

    @field_validator("overrides")
    @classmethod
    def _known_indicators(cls, value: dict[str, Override]) -> dict[str, Override]:
        if unknown := [name for name in value if name not in INDICATORS]:
            names = ", ".join(repr(name) for name in unknown)
            no = "is no indicator" if len(unknown) == 1 else "are no indicators"
            raise ValueError(f"{names} {no}; known are {', '.join(INDICATORS)}")
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.tenant_id == PLATFORM:
            raise _misfit("tenant_id", "a contract concerns one tenant; write its id, not '*'")
        if self.effective_to is not None and self.effective_to <= self.effective_from:
            raise _misfit("effective_to", "effective_to must be after effective_from; mend either")
        for name in self.overrides:
            term = self.term(name)
            if term.judged and (term.target is None or term.comparator is None):
                raise _misfit(
                    f"overrides.{name}",
                    f"{name} cannot be judged without a target and a comparator; add them",
                )
        return self

    @property
    def last_day(self) -> date | None:
        """The last local day in force; ``None``: it runs on."""
        return None if self.effective_to is None else self.effective_to - timedelta(days=1)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which the contract's days and months are cut."""
        return ZoneInfo(self.timezone)

    def term(self, indicator: str) -> Term:
        """The promise of one indicator under this contract."""
        change = self.overrides.get(indicator)
        return _default_term(indicator) if change is None else _term(indicator, change)

    def reading(self, section: int) -> tuple[object, ...]:
        """How a section is read; equal tuples read it the same way."""
        values = [getattr(self.profile, name) for name in READINGS.get(section, ())]
        calendar = (self.calendar,) if section == DEADLINES else ()
        # In which order codes are named says nothing.
        return *(frozenset(each) if isinstance(each, tuple) else each for each in values), *calendar

    def judges_alike(self, other: "Contract", indicator: str) -> bool:
        """Whether both promise the same of an indicator and read its section the same way.

        Then a change from one to the other, of a fee for example, is none for the indicator.
        """
        section = INDICATORS[indicator].section
        if self.reading(section) != other.reading(section):
            return False
        if self.overrides.get(indicator) == other.overrides.get(indicator):
            return True
        mine, theirs = self.term(indicator), other.term(indicator)
        return (mine.target, mine.comparator, mine.judged) == (
            theirs.target,
            theirs.comparator,
            theirs.judged,
        )


def _term(indicator: str, change: Override) -> Term:
    base: Indicator = INDICATORS[indicator]
    target = base.target if change.target is None else change.target
    comparator = base.comparator if change.comparator is None else change.comparator
    if change.judged is not None:
        judged = change.judged
    else:
        # A blank section is judged as soon as a contract sets its target.
        judged = base.judged or (change.target is not None and base.target is None)
    return Term(
        indicator=indicator,
        section=base.section,
        unit=base.unit,
        comparator=comparator or ("=" if target is not None else None),
        target=target,
        remedy=change.remedy or SECTIONS[base.section].remedy,
        judged=judged,
    )


@cache
def _default_term(indicator: str) -> Term:
    return _term(indicator, Override())


def _misfit(field: str, reason: str) -> PydanticCustomError:
    """What is wrong between fields, under the path of the one to mend."""
    return PydanticCustomError("misfit", "{reason}", {"field": field, "reason": reason})


def default_contract(tenant_id: str) -> Contract:
    """The contract of a tenant for whom no document was published."""
    return Contract(tenant_id=tenant_id, version=0, effective_from=date(1970, 1, 1))
