"""HTML of what was read: Jinja templates with every value escaped, no resource from elsewhere."""

import base64
import hashlib
from datetime import date, datetime
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from schemas.indicators import SECTIONS
from schemas.presentation.figures import observed_figure, promise
from schemas.presentation.names import indicator_title, section_title
from schemas.presentation.words import REMEDIES, change_word, remedy_word, state_word
from streams.web.lagging import LagReport
from streams.web.reading import BreachEvent, IndicatorState, Overview, Tenant

_VIOLATED: Final = frozenset({"breached", "failing"})


def _observed(one: IndicatorState | BreachEvent) -> str:
    """What was observed, never rounded to the side its state denies."""
    violated = one.state in _VIOLATED
    limit = (one.comparator, one.target, one.unit)
    return observed_figure(one.observed, *limit, "en", breached=violated).text


def _promised(one: IndicatorState | BreachEvent) -> str:
    return promise(one.comparator, one.target, one.unit, "en").text


def _word(code: str) -> str:
    """A verdict, a state or a remedy."""
    return remedy_word(code, "en") if code in REMEDIES else state_word(code, "en")


def _change(type_: str) -> str:
    return change_word(type_, "en")


def _instant(at: datetime) -> Markup:
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M:%S}</time>').format(at.isoformat(), at)


def _month(first_day: date) -> str:
    return f"{first_day:%Y-%m}"


def _title(indicator: str) -> str:
    return indicator_title(indicator, "en")


def _section(number: int) -> str:
    return section_title(number, "en") if number in SECTIONS else str(number)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("streams.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "change": _change,
        "instant": _instant,
        "month": _month,
        "section": _section,
        "observed": _observed,
        "promised": _promised,
        "title_of": _title,
        "word": _word,
    }
    return environment


class Pages:
    """Renders every page; ``style_source`` allows their style sheet in a content policy."""

    def __init__(self) -> None:
        self._environment = _environment()
        style = files("streams.web").joinpath("templates/style.css").read_text(encoding="utf-8")
        # The hash covers every character between the tags, as the template puts it there.
        self._style = Markup(style.strip())  # noqa: S704 - the project's own file
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self.style_source: Final = f"'sha256-{digest}'"

    def overview(self, view: Overview | None, lag: LagReport, problem: str | None) -> str:
        """The overview; without ``view``, the ``problem`` that keeps it from being read."""
        return self._render("overview.html", view=view, lag=lag, problem=problem)

    def tenant(self, tenant: Tenant) -> str:
        """One tenant's page."""
        return self._render("tenant.html", tenant=tenant)

    def sorry(self, heading: str, explanation: str) -> str:
        """A page that only says why there is none."""
        return self._render("sorry.html", heading=heading, explanation=explanation)

    def _render(self, template: str, **values: object) -> str:
        return self._environment.get_template(template).render(style=self._style, **values)
