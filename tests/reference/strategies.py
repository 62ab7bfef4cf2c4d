"""Random histories of whole months: for Hypothesis, and by seed for bulk runs.

A history is a frame (month, tenants, contracts) and a list of scenes, each drawn from a seed of
its own: Hypothesis shrinks by leaving scenes out.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from mailsla.schemas.contract import Contract
from tests.reference import scenes_mail, scenes_service
from tests.reference.frame import Frame, build_frame, wire_time
from tests.reference.instants import parse
from tests.reference.judge import Findings, judge
from tests.reference.log import INSTANT_FIELDS, TOPIC_OF
from tests.reference.scenes_mail import Draft

Scene = Callable[[Random, Frame], list[Draft]]

SCENES: dict[str, Scene] = {
    scene.__name__: scene
    for scene in (
        scenes_mail.messages,
        scenes_mail.probe_run,
        scenes_mail.incident,
        scenes_mail.faulty_year,
        scenes_mail.exclusion,
        scenes_mail.excused_outage,
        scenes_service.pages,
        scenes_service.heartbeats,
        scenes_service.complaint,
        scenes_service.listing,
        scenes_service.source,
        scenes_service.definitions,
        scenes_service.outbreak,
        scenes_service.scans,
        scenes_service.backups,
        scenes_service.retention,
        scenes_service.charges,
        scenes_service.order,
        scenes_service.channels,
        scenes_service.security,
    )
}
CORRECTIONS: dict[str, Scene] = {
    scene.__name__: scene for scene in (scenes_mail.declared_outage, scenes_mail.checked_exclusion)
}
LIMITED: dict[str, Scene] = {"maintenance": scenes_mail.maintenance}
"""Beside `SCENES`, so that the months of known seeds stay what they are."""
_KINDS = SCENES | CORRECTIONS | LIMITED
FREQUENT = ("messages", "probe_run", "exclusion", "incident")
DISORDER_S = (0, 0, 0, 0, 30, 119, 3_600, 5 * 86_400)
DUPLICATE_DISTANCE_S = (0, 1, 100, 86_400, 40 * 86_400)


@dataclass(frozen=True)
class History:
    """A month's log: events as JSON objects in log order, duplicates included."""

    month: str
    tenants: tuple[str, ...]
    contracts: tuple[Contract, ...]
    cutoff: datetime
    events: tuple[dict[str, Any], ...]
    calendars: tuple[dict[str, Any], ...] = ()
    """Documents of published calendars in order; they are changed before the cutoff."""

    def records(self) -> list[tuple[str, bytes, bytes]]:
        """(topic, key, value) of each event in log order."""
        return [
            (TOPIC_OF[event["type"]], event["tenant_id"].encode(), json.dumps(event).encode())
            for event in self.events
        ]

    def judged(self, cutoff: datetime | None = None) -> Findings:
        """What the reference finds, at the cutoff of the history or another."""
        when = cutoff or self.cutoff
        return judge(self.events, self.contracts, self.month, when, self.calendars)

    @property
    def first_day(self) -> date:
        """The first day of the month."""
        return date.fromisoformat(f"{self.month}-01")


def assemble(seed: int, scenes: Sequence[tuple[str, int]], amended: bool = True) -> History:
    """The history of a frame's seed and (scene, seed) pairs; equal input, equal history."""
    rng = Random(seed)
    frame = build_frame(rng, amended)
    drafts = [draft for name, own in scenes for draft in _KINDS[name](Random(own), frame)]
    arrivals: list[tuple[datetime, int, dict[str, Any]]] = []
    counts: dict[str, int] = {}
    for number, draft in enumerate(drafts):
        event = _wire(draft, number, counts, rng)
        arrival = draft["time"] + timedelta(seconds=rng.choice(DISORDER_S))
        arrivals.append((arrival, len(arrivals), event))
        if rng.random() < 0.12:
            again = arrival + timedelta(seconds=rng.choice(DUPLICATE_DISTANCE_S))
            arrivals.append((again, len(arrivals), event))
    events = tuple(event for _, _, event in sorted(arrivals, key=lambda arrival: arrival[:2]))
    return History(f"{frame.month:%Y-%m}", frame.tenants, frame.contracts, frame.cutoff, events)


def _wire(draft: Draft, number: int, counts: dict[str, int], rng: Random) -> dict[str, Any]:
    """A draft as it is published. Ids of messages are unique within their source only."""
    source = draft.get("source", rng.choice(("ops", "desk")))
    name = f"e{number}"
    if TOPIC_OF[draft["type"]] == "mail.mta":
        counts[source] = counts.get(source, 0) + 1
        name = f"m{counts[source]}"
    filled = {"id": name, "source": source} | draft
    return {
        field: wire_time(value, rng) if isinstance(value, datetime) else value
        for field, value in filled.items()
    }


def seeded_month(seed: int, amended: bool = True) -> History:
    """A random month of about 20 to 150 events; equal seeds give equal months.

    ``amended``: in some of them contracts change within the month.
    """
    rng = Random(seed)
    names = [rng.choice(FREQUENT) for _ in range(rng.randint(3, 14))]
    names += [rng.choice(tuple(SCENES)) for _ in range(rng.randint(4, 16))]
    frame = rng.randrange(2**32)
    return assemble(frame, [(name, rng.randrange(2**32)) for name in names], amended)


def histories(
    max_scenes: int = 20, scenes: Sequence[str] = tuple(SCENES)
) -> st.SearchStrategy[History]:
    """Random months for Hypothesis, of some kinds of scenes or of all."""
    seeds = st.integers(0, 2**32 - 1)
    drawn = st.lists(st.tuples(st.sampled_from(scenes), seeds), max_size=max_scenes)
    return st.builds(assemble, seeds, drawn)


CHECKED: tuple[dict[str, Any], ...] = (
    {},
    {"approval": ["exclusion", "outage"]},
    {"approval": ["outage"], "notice_days": 1},
    {"approval": ["exclusion"], "operations_exclusions": ["carrier", "force_majeure"]},
)


MAINTAINED: tuple[dict[str, Any], ...] = (
    {},
    {"operations_exclusions": ["agreed_maintenance"]},
    {"operations_exclusions": ["agreed_maintenance", "carrier"], "notice_days": 1},
    {"approval": ["exclusion"]},
)
HOURS = (0, 1, 2, 3, 12, 30, None)


def checked_months(seed: int, mail: bool = True) -> History:
    """A random month with all that puts one right, or in doubt, at once.

    Outages are declared, exclusions approved, hours of maintenance limited; contracts change within
    the month, and with them what lets exclusions count; the days of work of a calendar change as
    well. Some events are voided, and some come again under their id with another content, be it of
    another tenant or month. Where not ``mail``, of messages only events are voided that are alone
    to speak of theirs, and not the first of their tenant's: what live figures know of.
    """
    rng = Random(seed)
    kinds = (*CORRECTIONS, *CORRECTIONS, *LIMITED, "probe_run", "messages", "incident", *SCENES)
    scenes = [(rng.choice(kinds), rng.randrange(2**32)) for _ in range(rng.randint(6, 20))]
    history = assemble(rng.randrange(2**32), scenes)
    calendars = tuple(_working_days(rng, history, version) for version in (1, 2))
    contracts = tuple(
        _read_by(
            each,
            rng.choice(CHECKED) | {"max_hours_per_year": rng.choice((*HOURS, None, None))},
            rng.choice((each.calendar, calendars[0]["calendar"])),
        )
        for each in history.contracts
    )
    events = list(history.events)
    for event in history.events:
        pick = rng.random()
        if not mail and "recipient" in event and not (pick < 0.08 and _alone(event, events)):
            continue
        if pick < 0.08 and event["type"] != "event.voided":
            events.insert(rng.randrange(len(events) + 1), _voiding(rng, event, len(events)))
        elif pick < 0.16:
            later_on = rng.randrange(events.index(event) + 1, len(events) + 1)
            # Further ahead, the month would no longer be live.
            days = (-40, -1, 1, 40) if mail else (-40, -1, 1)
            events.insert(later_on, _contradiction(rng, event, history, days))
    return replace(history, contracts=contracts, events=tuple(events), calendars=calendars)


def _alone(event: dict[str, Any], events: Sequence[dict[str, Any]]) -> bool:
    """Whether no other event is of its message, and its tenant has had mail before."""
    mail = [one for one in events if "recipient" in one]
    names = ("source", "message_id", "recipient")
    same = {one["id"] for one in mail if all(one[name] == event[name] for name in names)}
    firsts = [_first_us(one) for one in mail if one["tenant_id"] == event["tenant_id"]]
    return len(same) == 1 and min(firsts) < _first_us(event)


def _first_us(event: dict[str, Any]) -> int:
    return min(parse(event["time"]), parse(event.get("accepted_at") or event["time"]))


def limited_months(seed: int) -> History:
    """A random month with much agreed maintenance, of which contracts let some hours count."""
    rng = Random(seed)
    kinds = (*[*LIMITED] * 8, "excused_outage", "probe_run", "messages", "faulty_year", *SCENES)
    names = ["maintenance", *(rng.choice(kinds) for _ in range(rng.randint(8, 20)))]
    scenes = [(name, rng.randrange(2**32)) for name in names]
    history = assemble(rng.randrange(2**32), scenes, amended=seed % 2 == 1)
    contracts = tuple(
        _read_by(each, rng.choice(MAINTAINED) | {"max_hours_per_year": rng.choice(HOURS)})
        for each in history.contracts
    )
    return replace(history, contracts=contracts)


def _read_by(contract: Contract, readings: dict[str, Any], calendar: str | None = None) -> Contract:
    changed = {"profile": contract.profile.model_dump() | readings}
    changed["calendar"] = calendar or contract.calendar
    return Contract.model_validate(contract.model_dump() | changed)


def _working_days(rng: Random, history: History, version: int) -> dict[str, Any]:
    days = [history.first_day + timedelta(days=day) for day in rng.sample(range(-5, 40), 12)]
    year = history.first_day.year
    return {
        "calendar": "drawn",
        "version": version,
        "holidays": [str(day) for day in days[:6]],
        "working_days": [str(day) for day in days[6:]],
        "complete_for": [year - 1, year, year + 1],
    }


def _voiding(rng: Random, event: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "id": f"v{number}",
        "source": "desk",
        "type": "event.voided",
        "tenant_id": rng.choice((event["tenant_id"], "*")),
        "time": event["time"],
        "voids_topic": TOPIC_OF[event["type"]],
        "voids_source": event["source"],
        "voids_id": event["id"],
        "reason": "the clock was wrong",
        "actor": "li",
    }


def _contradiction(
    rng: Random, event: dict[str, Any], history: History, days: Sequence[int]
) -> dict[str, Any]:
    changed = dict(event)
    if event["tenant_id"] != "*":
        changed["tenant_id"] = rng.choice((*history.tenants, event["tenant_id"]))
    if "recipient" in event and rng.random() < 0.5:
        changed["recipient"] = "another@example.org"
    if rng.random() < 0.5:
        apart = timedelta(days=rng.choice(days))
        for field in INSTANT_FIELDS & changed.keys():
            moved = datetime.fromisoformat(changed[field]) + apart
            changed[field] = moved.isoformat().replace("+00:00", "Z")
    return changed
