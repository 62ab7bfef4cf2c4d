"""HTML of what was read: Jinja templates with every value escaped, no resource from elsewhere."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from schemas.codec.printable import printable
from schemas.indicators import SECTIONS
from schemas.presentation.figures import Figure, budget, item_figure, promise
from schemas.presentation.language import Language
from schemas.presentation.names import EXCLUSION_CODES, cause, indicator_title, section_title
from schemas.presentation.words import STATES, VERDICTS, change_word, remedy_word, state_word
from streams.web.lagging import LagReport
from streams.web.overview import BUDGETS
from streams.web.reading import BreachEvent, IndicatorState, Platform, Tenant
from streams.web.words import SCRIPT_WORDS, word

_VIOLATED: Final = frozenset({"breached", "failing"})
_UNDECIDED: Final = frozenset({"no_data", "not_judged"})
_TAG: Final[Mapping[Language, str]] = {"zh": "zh-CN", "en": "en"}
_ORDER: Final = ("breached", "failing", "at_risk", "incomplete", "ok", "met")
"""States of the overview, the worst first."""
STATIC: Final = ("style.css", "overview.js")


def _shown(value: object) -> object:
    """What others wrote cannot turn the page's text around; markup of ours stays as it is."""
    return printable(value) if type(value) is str else value


class Pages:
    """Renders every page in either language."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("streams.web"),
            autoescape=True,
            finalize=_shown,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        folder = files("streams.web").joinpath("static")
        self.static: Final = {name: folder.joinpath(name).read_bytes() for name in STATIC}

    def overview(
        self, language: Language, month: str, months: list[str], problem: str | None
    ) -> str:
        """The frame of the overview, which its script fills; or the ``problem`` instead."""
        return self._render(
            "overview.html",
            language,
            path="/",
            month=month,
            months=months,
            problem=problem,
            order=_ORDER,
            sections=list(SECTIONS),
            words=orjson.dumps(_script_words(language)).decode(),
        )

    def tenant(self, tenant: Tenant, language: Language) -> str:
        """One tenant's page."""
        path = f"/tenants/{tenant.tenant_id}"
        zone = ZoneInfo(tenant.timezone)
        return self._render("tenant.html", language, path=path, zone=zone, tenant=tenant)

    def platform(
        self, view: Platform | None, lag: LagReport, language: Language, problem: str | None
    ) -> str:
        """What concerns everybody; without ``view`` the ``problem`` that keeps it away."""
        return self._render(
            "platform.html", language, path="/platform", view=view, lag=lag, problem=problem
        )

    def sorry(self, language: Language, heading: str, explanation: str) -> str:
        """A page that only says why there is none."""
        return self._render(
            "sorry.html", language, path="/", heading=heading, explanation=explanation
        )

    def _render(
        self,
        template: str,
        language: Language,
        *,
        path: str,
        zone: ZoneInfo | None = None,
        **values: Any,
    ) -> str:
        other: Language = "en" if language == "zh" else "zh"
        return self._environment.get_template(template).render(
            t=partial(word, language=language),
            tag=_TAG[language],
            path=path,
            other=other,
            **_phrasing(language, zone),
            **values,
        )


def _phrasing(language: Language, zone: ZoneInfo | None) -> dict[str, Callable[..., object]]:
    """What a template asks for to put figures and codes into words."""

    def observed(one: IndicatorState | BreachEvent) -> Figure:
        verdict = "breached" if one.state in _VIOLATED else "met"
        verdict = one.state if one.state in _UNDECIDED else verdict
        limit = (one.comparator, one.target, one.unit, language)
        return item_figure(one.observed, *limit, verdict)

    def promised(one: IndicatorState | BreachEvent) -> Figure:
        return promise(one.comparator, one.target, one.unit, language)

    def remaining(one: IndicatorState) -> Figure:
        limit = (one.comparator, one.target, one.unit, language)
        return budget(one.observed, *limit, breached=one.state in _VIOLATED)

    def shown(one: IndicatorState) -> str:
        """The state; of what was never measured that, for `ok` claims nothing."""
        return "no_data" if one.state == "ok" and one.observed is None else one.state

    def instant(at: datetime) -> Markup:
        local = at.astimezone(zone or UTC)
        shown = f"{local:%Y-%m-%d %H:%M:%S}{'' if zone else 'Z'}"
        return Markup('<time datetime="{}">{}</time>').format(local.isoformat(), shown)

    return {
        "observed": observed,
        "shown": shown,
        "promised": promised,
        "remaining": remaining,
        "instant": instant,
        "state_of": partial(state_word, language=language),
        "remedy_of": partial(remedy_word, language=language),
        "change_of": partial(change_word, language=language),
        "title_of": partial(indicator_title, language=language),
        "section_of": partial(section_title, language=language),
        "cause_of": lambda code: cause(code, language) if code in EXCLUSION_CODES else code,
    }


def _script_words(language: Language) -> dict[str, object]:
    return {
        **{key: word(key, language) for key in SCRIPT_WORDS},
        "states": {code: state_word(code, language) for code in (*VERDICTS, *STATES)},
        "titles": {name: indicator_title(name, language) for name in BUDGETS},
        "section_titles": {str(n): section_title(n, language) for n in SECTIONS},
    }
