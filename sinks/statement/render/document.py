"""Renders a statement as one HTML document that needs nothing from elsewhere. Pure."""

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mailsla.schemas.codec.printable import printable
from mailsla.schemas.presentation.figures import microseconds, money
from mailsla.schemas.presentation.language import Language
from mailsla.schemas.presentation.names import cause, indicator_title
from mailsla.schemas.presentation.words import verdict_word
from mailsla.sinks.closing.plan.contract_segments import micros
from mailsla.sinks.statement.charts.calendar import calendar_chart, describe_faults
from mailsla.sinks.statement.charts.latency import ChartLimits, latency_chart
from mailsla.sinks.statement.charts.timeline import TimelineMonth, timeline_chart
from mailsla.sinks.statement.facts import spans
from mailsla.sinks.statement.facts.content import Statement
from mailsla.sinks.statement.provider import NOBODY, Provider
from mailsla.sinks.statement.render.evidence import moment
from mailsla.sinks.statement.render.view import (
    last_day,
    lead,
    month_label,
    owed,
    reversal,
    sections,
)
from mailsla.sinks.statement.wording.phrases import phrase
from mailsla.sinks.statement.wording.readings import readings

UNOBSERVED_SHOWN: Final = 10
"""So many stretches of unobserved time are listed, the longest."""
_MEAN: Final = {"outbound": "latency.send.mean", "inbound": "latency.receive.mean"}
_TAG: Final[Mapping[Language, str]] = {"zh": "zh-CN", "en": "en"}


def render(statement: Statement, language: Language, provider: Provider = NOBODY) -> str:
    """The HTML of a statement; equal statements of one provider give equal bytes."""
    views = sections(statement, language)
    html: str = _template().render(
        t=_Words(language),
        word=lambda code: verdict_word(code, language),
        tag=_TAG[language],
        style=_style(),
        s=statement,
        provider=provider,
        month=month_label(statement.month, language),
        lead=lead(statement, language),
        owed=owed(statement, language),
        reversal=reversal(statement, language),
        sections=views,
        charts=_charts(statement, language),
        **_facts(statement, language),
    )
    return html


class _Words:
    """The phrases of one language, as a template asks for them."""

    def __init__(self, language: Language) -> None:
        self.language: Final = language

    def __call__(self, key: str, **values: object) -> str:
        return phrase(key, self.language, **values)


def _shown(value: object) -> object:
    """What others wrote cannot turn the page's text around; markup of ours stays as it is."""
    return printable(value) if type(value) is str else value


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("mailsla.sinks.statement"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("statement.html")


@cache
def _style() -> Markup:
    style = (
        files("mailsla.sinks.statement")
        .joinpath("templates", "style.css")
        .read_text(encoding="utf-8")
    )
    return Markup(style.strip())  # noqa: S704 - the project's own file


def _charts(statement: Statement, language: Language) -> dict[str, Markup]:
    period = statement.period
    targets = {item.indicator: item.target for item in statement.items}
    days = (period.first, period.last)

    def latency(direction: str) -> Markup:
        limits = ChartLimits(targets.get(_MEAN[direction]), period.contract.profile.max_latency_s)
        own = statement.latency.get(direction, ())
        return latency_chart(direction, own, days, limits, language)

    excused = statement.excused.get(1, ())
    month = TimelineMonth(
        *days, period.contract.zone, statement.down, excused, statement.unobserved
    )
    over = spans.instant(micros(statement.revision.cutoff), period.contract.zone).date()

    def counts(day: date) -> bool:
        if day >= min(period.last, over):
            return False
        return any(first <= day < last for first, last in period.served)

    return {
        "sent": latency("outbound"),
        "received": latency("inbound"),
        "timeline": timeline_chart(month, language),
        "calendar": calendar_chart(statement.month, statement.faulty_days, counts, language),
    }


def _facts(statement: Statement, language: Language) -> dict[str, Any]:
    period, revision = statement.period, statement.revision
    contract = period.contract
    zone = contract.zone
    return {
        "daily": _daily(statement, language),
        "faults": describe_faults(statement.month, statement.faulty_days, language),
        "exclusions": _exclusions(statement, language),
        "maintenance": _maintenance(statement, language),
        "voided": [
            (
                one.reference,
                one.type,
                moment(one.time_us, zone),
                moment(one.voided_us, zone),
                one.reason,
                one.actor,
            )
            for one in statement.voided
        ],
        "unobserved": _unobserved(statement, language),
        "contracts": [_contract(one, language) for one in statement.contracts],
        "readings": readings(contract.profile, language),
        "period": phrase(
            "period_value",
            language,
            first=period.first,
            last=last_day(period.last),
            length=phrase("days", language, days=(period.last - period.first).days),
        ),
        "closed_at": moment(micros(revision.closed_at.replace(microsecond=0)), zone),
        "cutoff": moment(micros(revision.cutoff), zone),
        "undecided": ("、" if language == "zh" else ", ").join(
            indicator_title(one, language) for one in revision.undecided
        ),
    }


def _daily(statement: Statement, language: Language) -> list[dict[str, Any]]:
    """day, then for each direction messages, mean and maximum, None without any."""
    by_day: dict[date, dict[str, Any]] = {}
    for direction in ("outbound", "inbound"):
        for one in statement.latency.get(direction, ()):
            row = by_day.setdefault(one.day, {"day": one.day, "outbound": None, "inbound": None})
            row[direction] = (
                f"{one.messages:,}",
                microseconds(one.mean_us, language),
                microseconds(one.largest_us, language),
            )
    return [by_day[day] for day in sorted(by_day)]


def _maintenance(statement: Statement, language: Language) -> str:
    """How much of the year's agreed maintenance counts; empty where the contract has no limit."""
    known = statement.maintenance
    if known is None:
        return ""
    return phrase(
        "maintenance",
        language,
        year=statement.month.year,
        most=known.hours,
        counted=microseconds(known.counted_us, language),
        left_out=microseconds(known.left_out_us, language),
    )


def _exclusions(statement: Statement, language: Language) -> list[dict[str, Any]]:
    contract = statement.period.contract
    rows = []
    for one in statement.exclusions:
        state = one.state(contract.profile)
        if state == "applied" and one.code == "agreed_maintenance" and statement.maintenance:
            state = statement.maintenance.state(one)
        at = f"{spans.instant(one.revoked_us, contract.zone):%Y-%m-%d}"
        numbers = one.applies_to(contract.profile.operations_exclusions)
        rows.append(
            {
                "id": one.exclusion_id,
                "platform": one.scope != statement.tenant_id,
                "cause": cause(one.code, language),
                "note": one.note,
                "from": moment(one.starts_us, contract.zone),
                "to": moment(one.ends_us, contract.zone),
                "consent": one.consent_ref or "–",
                "sections": ", ".join(str(number) for number in numbers) or "–",
                "state": state,
                "words": phrase(state, language, at=at),
            }
        )
    return rows


def _unobserved(statement: Statement, language: Language) -> dict[str, Any]:
    zone = statement.period.contract.zone
    total = spans.length(statement.unobserved)
    whole = statement.period.end_us - statement.period.start_us
    key = "some" if total else "none"
    longest = sorted(statement.unobserved, key=lambda span: span[0] - span[1])[:UNOBSERVED_SHOWN]
    return {
        "text": phrase(
            "unobserved_all" if total >= whole else f"unobserved_{key}",
            language,
            value=microseconds(total, language),
        ),
        "total": len(statement.unobserved),
        "rows": [
            (moment(a, zone), moment(b, zone), microseconds(b - a, language))
            for a, b in sorted(longest)
        ],
    }


def _contract(one: Any, language: Language) -> dict[str, Any]:
    contract = one.contract
    fee = contract.monthly_fee
    return {
        "version": contract.version,
        "default": contract.version == 0,
        "name": contract.name or "–",
        "in_force": f"{one.first} – {last_day(one.last)}",
        "fee": f"{money(fee.amount)} {fee.currency}" if fee else "–",
        "zone": contract.timezone,
        "calendar": phrase("calendar_cn", language)
        if contract.calendar == "CN"
        else contract.calendar,
        "domains": ", ".join(contract.domains) or "–",
    }
