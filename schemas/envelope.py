"""The fields every event carries, and the rules that span fields."""

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from mailsla.schemas.codec.identifiers import PLATFORM, EventId, Instant, Source, TenantId

MAX_EVENT_BYTES = 65_536
"""Largest event accepted, in bytes of its JSON text."""


class Event(BaseModel):
    """One event: one flat JSON object (``source``, ``id`` identify it for ever)."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    platform_allowed: ClassVar[bool] = False
    """Whether ``tenant_id`` may be ``*``, the whole platform."""
    in_order: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Pairs of time fields of which the first must not be after the second."""

    id: EventId
    """Identifies the event together with `source`, for ever; the first landing of both counts."""
    source: Source
    """Who emits the event, such as `mx1.example.net/postfix`."""
    type: str
    """What happened; it decides which further fields there are."""
    tenant_id: TenantId
    """The tenant it concerns; `*`, where the type allows it: the whole platform."""
    time: Instant
    """When it happened, RFC 3339 with offset."""

    @model_validator(mode="after")
    def _check_across_fields(self) -> Self:
        if self.tenant_id == PLATFORM and not self.platform_allowed:
            raise PydanticCustomError(
                "platform",
                "{type} concerns one tenant; write its id instead of '*'",
                {"type": self.type, "field": "tenant_id"},
            )
        for earlier, later in self.in_order:
            start, end = getattr(self, earlier), getattr(self, later)
            if start is not None and end is not None and start > end:
                raise PydanticCustomError(
                    "order",
                    "{field} is after {later}; an end cannot precede its start",
                    {"field": earlier, "later": later},
                )
        return self


class PlatformEvent(Event):
    """An event that may concern one tenant or the whole platform (``*``)."""

    platform_allowed: ClassVar[bool] = True
