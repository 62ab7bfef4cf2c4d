"""The routes file: who is told of what, and how."""

import re
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mailsla.schemas.codec.identifiers import TENANT_PATTERN
from mailsla.schemas.presentation.language import Language
from mailsla.schemas.presentation.words import CHANGES
from mailsla.schemas.results import BreachEvent, ClosingEvent
from mailsla.streams.settings import ConfigurationError

Severity = Literal["at_risk", "failing", "breached"]
_RANK: Final = {"at_risk": 1, "incomplete": 1, "failing": 2, "breached": 3}
_NAME: Final = r"^[a-z0-9][a-z0-9-]{0,40}$"

Event = BreachEvent | ClosingEvent
_Address = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Webhook(_Strict):
    """CloudEvents by HTTP POST in structured mode, signed as Standard Webhooks does."""

    kind: Literal["webhook"]
    url: Annotated[str, Field(pattern=r"^https?://[^/\s@]+(/\S*)?$")]
    secret_file: Path | None = None
    """Holds the secret of the signature; none: not signed."""


class Chat(_Strict):
    """A chat's incoming webhook: JSON of a template, ``{text}`` in it stands for the text."""

    kind: Literal["chat"]
    url: Annotated[str, Field(pattern=r"^https?://[^/\s@]+(/\S*)?$")]
    template: dict[str, Any] = {"text": "{text}"}
    lang: Language = "en"


class Mail(_Strict):
    """A mail by SMTP."""

    kind: Literal["mail"]
    host: str
    port: Annotated[int, Field(ge=1, le=65_535)] = 25
    security: Literal["none", "starttls", "tls"] = "starttls"
    user: str | None = None
    password_file: Path | None = None
    sender: Annotated[_Address, Field(alias="from")]
    to: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...], Field(min_length=1)
    ]
    lang: Language = "zh"


class Quiet(_Strict):
    """Hours of the day in which nothing is sent but what is ``breached``, if so wished."""

    start: Annotated[time, Field(alias="from")]
    end: Annotated[time, Field(alias="to")]
    zone: str = "Asia/Shanghai"
    let_breached_through: bool = True

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"{value!r} is no IANA time zone; write one as Asia/Shanghai"
            ) from None
        return value

    def ends(self, now: datetime) -> datetime | None:
        """When the quiet hours end in which ``now`` lies; None outside of them."""
        local = now.astimezone(ZoneInfo(self.zone))
        end = local.replace(
            hour=self.end.hour, minute=self.end.minute, second=0, microsecond=0, fold=0
        )
        clock = local.time()
        if self.start <= self.end:
            return end if self.start <= clock < self.end else None
        if clock < self.end:
            return end
        return end + timedelta(days=1) if clock >= self.start else None


class Route(_Strict):
    """One receiver and what it is told; an empty list means everything."""

    name: Annotated[str, Field(pattern=_NAME)]
    tenants: tuple[Annotated[str, Field(pattern=TENANT_PATTERN)], ...] = ()
    sections: tuple[Annotated[int, Field(ge=1, le=9)], ...] = ()
    types: tuple[str, ...] = ()
    severity: Severity | None = None
    """At least so bad; what recovers or is withdrawn is then told only where ``types`` names it."""
    to: Annotated[Webhook | Chat | Mail, Field(discriminator="kind")]
    group_s: Annotated[float, Field(ge=0, le=3600)] | None = None
    """What comes within so many seconds is one message; mail and chat: 5, a webhook: never."""
    quiet: Quiet | None = None

    @field_validator("types")
    @classmethod
    def _known_types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in CHANGES:
                raise ValueError(f"{name!r} is no type; known are {', '.join(CHANGES)}")
        return value

    @model_validator(mode="after")
    def _webhooks_are_single(self) -> Self:
        if isinstance(self.to, Webhook) and self.group_s:
            raise ValueError("a webhook gets every event by itself; leave group_s out")
        return self

    @property
    def pause_s(self) -> float:
        """How long events are gathered into one message."""
        if isinstance(self.to, Webhook):
            return 0.0
        return 5.0 if self.group_s is None else self.group_s

    def wants(self, event: Event) -> bool:
        """Whether its receiver is told of an event."""
        if self.tenants and event.subject not in self.tenants:
            return False
        if self.types and event.type not in self.types:
            return False
        if self.sections and not set(self.sections) & _sections(event):
            return False
        if self.severity is None or (self.types and rank(event) == 0):
            return True
        return rank(event) >= _RANK[self.severity]


def rank(event: Event) -> int:
    """How bad an event is: 0 nothing or good news, 3 breached."""
    if isinstance(event, ClosingEvent):
        return _RANK.get(event.data.verdict, 0)
    if event.type in {"sla.indicator.recovered", "sla.indicator.withdrawn"}:
        return 0
    return _RANK.get(event.data.state, 1 if event.type == "sla.budget.burn" else 0)


def _sections(event: Event) -> set[int]:
    if isinstance(event, ClosingEvent):
        return {item.section for item in event.data.items if item.verdict == "breached"}
    return {event.data.section}


class Routes(_Strict):
    """The whole file."""

    routes: Annotated[tuple[Route, ...], Field(min_length=1)]

    @field_validator("routes")
    @classmethod
    def _names_once(cls, value: tuple[Route, ...]) -> tuple[Route, ...]:
        names = [route.name for route in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two routes are named {name}; rename one")
        return value


def load_routes(path: Path) -> tuple[Route, ...]:
    """The routes of a file.

    Raises:
        ConfigurationError: it cannot be read, or says what it may not; names the field.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Routes.model_validate(document).routes
    except OSError as error:
        raise ConfigurationError(
            f"the routes file {path} cannot be read ({error.strerror}); set MAILSLA_NOTIFY_ROUTES"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path} is not valid YAML{line}; mend the text") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = re.sub(r"^Value error, ", "", str(first["msg"]))
        raise ConfigurationError(f"{path}, {field}: {reason}") from None
