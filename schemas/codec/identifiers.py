"""Constrained field types shared by every event and result."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema

PLATFORM: Final = "*"
"""Tenant id of an event that concerns the whole platform, hence every tenant."""

TENANT_PATTERN: Final = r"^(?:\*|[A-Za-z0-9._-]{1,64})$"

RFC3339_PATTERN: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}"
    r"(?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)
FINER_THAN_US_PATTERN: Final = r"(\.[0-9]{6})[0-9]+"
"""Decimals of a second; what follows the first group is cut off, as Go and Rust write it."""
DECIMAL_PATTERN: Final = r"^-?[0-9]{1,18}(?:\.[0-9]{1,6})?$"
MONTH_PATTERN: Final = r"^[0-9]{4}-(?:0[1-9]|1[0-2])$"
CURRENCY_PATTERN: Final = r"^[A-Z]{3}$"

# Always `fullmatch`: to `match`, `$` also stands before a final newline.
RFC3339: Final = re.compile(RFC3339_PATTERN)
_FINER_THAN_US: Final = re.compile(FINER_THAN_US_PATTERN)
_LEAP_SECOND: Final = re.compile(r"(T[0-9]{2}:[0-9]{2}):60(?:\.[0-9]+)?")
NAIVE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9:]{5,8}(?:\.[0-9]+)?)?")
DECIMAL: Final = re.compile(DECIMAL_PATTERN)


EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Bounds of every instant: what each store and language on the way can hold."""


def parse_instant(value: object) -> datetime:
    """Read an RFC 3339 string with offset as a time in UTC; the one conversion at the edge.

    What is finer than a microsecond is cut off; a leap second (``:60``) is the start of the next
    second.

    Raises:
        ValueError: naive, malformed or impossible time, with the remedy.

    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("the time has no UTC offset; pass an aware time")
        return value.astimezone(UTC)
    if not isinstance(value, str) or not RFC3339.fullmatch(value):
        if isinstance(value, str) and NAIVE.fullmatch(value):
            raise ValueError("the time has no UTC offset; add one, such as Z or +08:00")
        raise ValueError(
            "not an RFC 3339 time with offset; write it like 2026-10-01T08:00:00.5+08:00"
        )
    text, leap_seconds = _LEAP_SECOND.subn(
        r"\1:59", _FINER_THAN_US.sub(r"\1", value.upper().replace(" ", "T", 1))
    )
    try:
        instant = datetime.fromisoformat(text).astimezone(UTC) + timedelta(seconds=leap_seconds)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"no such time ({error}); send the time of the event") from None
    if not EARLIEST <= instant < LATEST:
        raise ValueError("the time is outside 1970 to 2200; send the time of the event")
    return instant


def or_default(value: object) -> BeforeValidator:
    """A validator that reads an explicit JSON null as ``value``, like an absent field."""
    return BeforeValidator(lambda given: value if given is None else given)


def _require_decimal_string(value: object) -> object:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not DECIMAL.fullmatch(value):
        raise ValueError(
            "not an amount with at most 18 digits and 6 decimals; "
            'write a decimal string such as "12.50"'
        )
    return Decimal(value)


def rfc3339(value: datetime) -> str:
    """An aware time as RFC 3339 in UTC, microseconds only where there are any."""
    return value.isoformat().replace("+00:00", "Z")


Instant = Annotated[
    datetime,
    BeforeValidator(parse_instant),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": RFC3339_PATTERN}),
]
"""An aware point in time; RFC 3339 with offset on the wire."""

Money = Annotated[
    Decimal,
    BeforeValidator(_require_decimal_string),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": DECIMAL_PATTERN}),
]
"""An exact amount; a decimal string on the wire."""

EventId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Source = Annotated[str, StringConstraints(min_length=1, max_length=128)]
TenantId = Annotated[str, StringConstraints(pattern=TENANT_PATTERN)]
MessageId = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Recipient = Annotated[str, StringConstraints(min_length=1, max_length=320)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Text = Annotated[str, StringConstraints(max_length=4096)]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
Millis = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Section = Annotated[int, Field(ge=1, le=9)]
Month = Annotated[str, StringConstraints(pattern=MONTH_PATTERN)]
Currency = Annotated[str, StringConstraints(pattern=CURRENCY_PATTERN)]

ExclusionCode = Literal[
    "agreed_maintenance",
    "foreign_system",
    "customer_equipment",
    "customer_misuse",
    "customer_negligence",
    "carrier",
    "force_majeure",
]
"""Causes for which the agreement does not hold the provider liable (contract, exclusions)."""
