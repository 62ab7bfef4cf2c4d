"""HTML of what was read: Jinja templates with every value escaped, no resource from elsewhere."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mailsla.schemas.codec.printable import printable
from mailsla.schemas.contract import Term
from mailsla.schemas.indicators import SECTIONS
from mailsla.schemas.presentation.figures import (
    Figure,
    budget,
    figure,
    item_figure,
    microseconds,
    promise,
)
from mailsla.schemas.presentation.language import Language
from mailsla.schemas.presentation.names import (
    EXCLUSION_CODES,
    cause,
    indicator_title,
    section_title,
)
from mailsla.schemas.presentation.reasons import evidence_text, refusal
from mailsla.schemas.presentation.words import (
    STATES,
    VERDICTS,
    change_word,
    remedy_word,
    state_word,
)
from mailsla.schemas.results import ClosingItem
from mailsla.sinks.closing.plan.contract_segments import SegmentPeriod, instant
from mailsla.sinks.statement.charts.calendar import calendar_chart
from mailsla.sinks.statement.charts.timeline import TimelineMonth, timeline_chart
from mailsla.sinks.statement.facts import spans
from mailsla.streams.settings import Settings
from mailsla.streams.web.access import visitor
from mailsla.streams.web.readings.closings import History
from mailsla.streams.web.readings.forecast import forecast
from mailsla.streams.web.readings.lagging import LagReport
from mailsla.streams.web.readings.messages import FOUND, FoundMessage, ShownMessage
from mailsla.streams.web.readings.month import EvidenceRow, MonthFacts
from mailsla.streams.web.readings.overview import BUDGETS
from mailsla.streams.web.readings.reading import IndicatorState, ShownBreach, ShownPlatform, Tenant
from mailsla.streams.web.readings.sources import Feeding
from mailsla.streams.web.words import CHART_WORDS, SCRIPT_WORDS, word

_VIOLATED: Final = frozenset({"breached", "failing"})
_UNDECIDED: Final = frozenset({"no_data", "not_judged"})
_TAG: Final[Mapping[Language, str]] = {"zh": "zh-CN", "en": "en"}
_ORDER: Final = ("breached", "failing", "at_risk", "incomplete", "ok", "met")
"""States of the overview, the worst first."""
STATIC: Final = ("style.css", "overview.js", "tenant.js", "part.js", "uplot.js", "uplot.css")

_CELL: Final = re.compile(r"<(tr|td|th)(?=[ >])([^>]*)>((?:–|\s*)(?=</td>))?")


def _shown(value: object) -> object:
    """What others wrote cannot turn the page's text around; markup of ours stays as it is."""
    return printable(value) if type(value) is str else value


class Pages:
    """Renders every page in either language."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("mailsla.streams.web"),
            autoescape=True,
            finalize=_shown,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        folder = files("mailsla.streams.web").joinpath("static")
        self.static: Final = {name: folder.joinpath(name).read_bytes() for name in STATIC}

    def overview(
        self, language: Language, month: str, months: list[str], problem: str | None
    ) -> str:
        """The frame of the overview, which its script fills; or the ``problem`` instead."""
        return self._render(
            "overview.html",
            language,
            path="/",
            query={"month": month} if month else {},
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
        return self._render(
            "tenant.html",
            language,
            path=path,
            query={"month": tenant.month} if tenant.month else {},
            zone=zone,
            tenant=tenant,
            forecast=_forecaster(tenant, datetime.now(UTC), language),
            words=orjson.dumps(chart_words(language)).decode(),
        )

    def month(self, tenant: str, facts: MonthFacts, language: Language) -> str:
        """Time-line, fault calendar and open cases of a tenant's month."""
        period, zone = facts.period, facts.period.contract.zone
        drawn = TimelineMonth(
            period.first, period.last, zone, facts.down, facts.excused, facts.unobserved
        )
        return self._render(
            "month.html",
            language,
            path=f"/tenants/{tenant}/month",
            query={"month": f"{period.month:%Y-%m}"},
            zone=zone,
            tenant_id=tenant,
            facts=facts,
            length=spans.length,
            timeline=timeline_chart(drawn, language),
            calendar=calendar_chart(period.month, facts.faulty_days, facts.was_served, language),
        )

    def evidence(
        self,
        tenant: str,
        indicator: str,
        period: SegmentPeriod,
        found: Sequence[EvidenceRow],
        language: Language,
    ) -> str:
        """The rows that make a figure, of the tenant's part of a month."""
        month = f"{period.month:%Y-%m}"
        return self._render(
            "evidence.html",
            language,
            path=f"/tenants/{tenant}/evidence/{indicator}",
            query={"month": month},
            zone=period.contract.zone,
            tenant_id=tenant,
            indicator=indicator,
            month=month,
            found=found,
            amount=partial(_amount, language=language),
        )

    def closings(self, tenant: str, month: date, history: History, language: Language) -> str:
        """Every revision of a month and what it changed."""
        return self._render(
            "closings.html",
            language,
            path=f"/tenants/{tenant}/closings",
            query={"month": f"{month:%Y-%m}"},
            tenant_id=tenant,
            month=f"{month:%Y-%m}",
            history=history,
            figure_of=partial(_item_figure, language=language),
        )

    def messages(
        self, tenant: str, asked: str, found: Sequence[FoundMessage], language: Language
    ) -> str:
        """The form, and the messages that fit."""
        return self._render(
            "messages.html",
            language,
            path=f"/tenants/{tenant}/messages" if tenant else "/messages",
            query={"q": asked} if asked else {},
            tenant_id=tenant,
            asked=asked,
            found=found,
            limit=FOUND,
            address=_message_address,
        )

    def message(self, message: ShownMessage, language: Language) -> str:
        """One message."""
        address = urlsplit(_message_address(message))
        return self._render(
            "message.html",
            language,
            path=address.path,
            query=dict(parse_qsl(address.query)),
            zone=message.period.contract.zone,
            message=message,
        )

    def platform(
        self, view: ShownPlatform | None, lag: LagReport, language: Language, problem: str | None
    ) -> str:
        """What concerns everybody; without ``view`` the ``problem`` that keeps it away."""
        return self._render(
            "platform.html", language, path="/platform", view=view, lag=lag, problem=problem
        )

    def sources(self, view: Feeding, settings: Settings, language: Language) -> str:
        """Who emits events, and what contradicts earlier ones."""
        return self._render(
            "sources.html",
            language,
            path="/platform/sources",
            feeding=view,
            silence_s=settings.source_silence_s,
            lateness_s=settings.lateness_s,
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
        query: Mapping[str, str] | None = None,
        zone: ZoneInfo | None = None,
        **values: Any,
    ) -> str:
        other: Language = "en" if language == "zh" else "zh"
        return self._environment.get_template(template).render(
            t=partial(word, language=language),
            tag=_TAG[language],
            path=path,
            switched=f"{path}?{urlencode({**(query or {}), 'lang': other})}",
            other=other,
            own=visitor.get().tenant,
            **_phrasing(language, zone),
            **values,
        )


def _phrasing(language: Language, zone: ZoneInfo | None) -> dict[str, Callable[..., object]]:
    """What a template asks for to put figures and codes into words."""

    def observed(one: IndicatorState | ShownBreach) -> Figure:
        verdict = "breached" if one.state in _VIOLATED else "met"
        verdict = one.state if one.state in _UNDECIDED else verdict
        limit = (one.comparator, one.target, one.unit, language)
        return item_figure(one.observed, *limit, verdict)

    def promised(one: IndicatorState | ShownBreach | Term) -> Figure:
        return promise(one.comparator, one.target, one.unit, language)

    def remaining(one: IndicatorState) -> Figure:
        limit = (one.comparator, one.target, one.unit, language)
        return budget(one.observed, *limit, breached=one.state in _VIOLATED)

    def shown(one: IndicatorState) -> str:
        """The state; of what was never measured that, for `ok` claims nothing."""
        return "no_data" if one.state == "ok" and one.observed is None else one.state

    def moment(at: datetime) -> Markup:
        local = at.astimezone(zone or UTC)
        shown = f"{local:%Y-%m-%d %H:%M:%S}{'' if zone else 'Z'}"
        return Markup('<time datetime="{}">{}</time>').format(local.isoformat(), shown)

    return {
        "observed": observed,
        "lasting": partial(microseconds, language=language),
        "shown": shown,
        "promised": promised,
        "remaining": remaining,
        "instant": moment,
        "state_of": partial(state_word, language=language),
        "remedy_of": partial(remedy_word, language=language),
        "change_of": partial(change_word, language=language),
        "title_of": partial(indicator_title, language=language),
        "section_of": partial(section_title, language=language),
        "refusal": partial(refusal, language=language),
        "evidence_text": partial(evidence_text, language=language),
        "labelled": partial(_labelled, language=language),
        "cause_of": lambda code: cause(code, language) if code in EXCLUSION_CODES else code,
    }


def _labelled(rows: Markup, headings: Sequence[str], language: Language) -> Markup:
    """Gives each cell the heading of its column: a phone shows it there, one cell below the other.

    A table that is laid out as blocks is none any more to a screen reader without its roles.
    """
    labels = [word(heading.lstrip("#"), language) for heading in headings]
    column = 0

    def labelled(tag: re.Match[str]) -> str:
        nonlocal column
        name, attributes, nothing = tag.groups()
        if name == "tr":
            column = 0
            return f'<tr role="row"{attributes}>'
        if "rowgroup" in attributes:
            return f'<th role="rowheader"{attributes}>'
        label, column = Markup.escape(labels[column]), column + 1
        role = "cell" if name == "td" else "rowheader"
        if nothing is not None:
            return f'<{name} role="{role}" data-nothing{attributes}>{nothing}'
        return f'<{name} role="{role}" data-label="{label}"{attributes}>'

    return Markup(_CELL.sub(labelled, rows))  # noqa: S704 - escaped already


def _script_words(language: Language) -> dict[str, object]:
    return {
        **{key: word(key, language) for key in SCRIPT_WORDS},
        "states": {code: state_word(code, language) for code in (*VERDICTS, *STATES)},
        "titles": {name: indicator_title(name, language) for name in BUDGETS},
        "section_titles": {str(n): section_title(n, language) for n in SECTIONS},
    }


def chart_words(language: Language) -> dict[str, str]:
    """What the script of a tenant's page says."""
    return {key: word(key, language) for key in CHART_WORDS}


def _forecaster(
    tenant: Tenant, now: datetime, language: Language
) -> Callable[[IndicatorState], str]:
    """Where a budget will stand at the end of the tenant's month, in words; empty: no forecast."""
    period = tenant.period

    def told(one: IndicatorState) -> str:
        if period is None:
            return ""
        found = forecast(one, instant(period.start_us), instant(period.end_us), now)
        if found is None:
            return ""
        value = figure(found.value, one.unit, language).text
        if found.used_up_at is None:
            return value
        at = f"{found.used_up_at.astimezone(period.contract.zone):%Y-%m-%d}"
        return word("used_up_at", language, value=value, day=at)

    return told


def _amount(row: EvidenceRow, value: float, language: Language) -> str:
    unit = "s" if row.timed else "count"
    return figure(Decimal(str(value)), unit, language).text


def _item_figure(item: ClosingItem, language: Language) -> Figure:
    return item_figure(
        item.observed, item.comparator, item.target, item.unit, language, item.verdict
    )


def _message_address(one: FoundMessage | ShownMessage) -> str:
    """Where a message is shown."""
    named = {"source": one.source, "id": one.message_id, "recipient": one.recipient}
    return f"/tenants/{quote(one.tenant_id)}/message?{urlencode(named)}"
