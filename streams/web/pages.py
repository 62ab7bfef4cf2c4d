"""HTML of what was read: Jinja templates with every value escaped, no resource from elsewhere."""

import base64
import hashlib
from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from schemas.indicators import INDICATORS, SECTIONS
from schemas.printable import printable
from streams.web.lagging import LagReport
from streams.web.reading import Overview, Tenant

_UNITS: Final = {"s": " s", "days": " days", "count": "", "ratio": ""}
_WORDS: Final = {
    "no_data": "no data",
    "not_judged": "not judged",
    "at_risk": "at risk",
    "double_service": "term extended by the month",
    "fee_waiver": "month's fee waived",
}


def _value(amount: Decimal | None, unit: str) -> str:
    """``2640 s``; a dash where nothing was observed or promised."""
    if amount is None:
        return "–"
    text = f"{amount:f}"
    plain = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{plain}{_UNITS.get(unit, f' {unit}')}"


def _target(amount: Decimal | None, comparator: str | None, unit: str) -> str:
    return f"{comparator or ''} {_value(amount, unit)}".strip() if amount is not None else "–"


def _word(code: str) -> str:
    return _WORDS.get(code, code)


def _change(type_: str) -> str:
    """``sla.indicator.at_risk`` → ``at risk``, ``sla.budget.burn`` → ``budget burn``."""
    return type_.removeprefix("sla.").removeprefix("indicator.").replace("_", " ").replace(".", " ")


def _instant(at: datetime) -> Markup:
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M:%S}</time>').format(at.isoformat(), at)


def _month(first_day: date) -> str:
    return f"{first_day:%Y-%m}"


def _title(indicator: str) -> str:
    known = INDICATORS.get(indicator)
    return known.title if known else ""


def _section(number: int) -> str:
    known = SECTIONS.get(number)
    return f"{number} {known.title}" if known else str(number)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("streams.web"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "change": _change,
        "instant": _instant,
        "month": _month,
        "section": _section,
        "target": _target,
        "title_of": _title,
        "value": _value,
        "word": _word,
    }
    return environment


def _shown(value: object) -> object:
    """What others wrote cannot turn the page's text around; markup of ours stays as it is."""
    return printable(value) if type(value) is str else value


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
