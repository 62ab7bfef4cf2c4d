"""What each column means, as ClickHouse shows it: the docstrings of the models' fields."""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import BaseModel

from mailsla.schemas.calendars import WorkingCalendar
from mailsla.schemas.contract import Contract, Fee, Profile
from mailsla.schemas.descriptions import description
from mailsla.schemas.registry import EVENT_TYPES
from mailsla.schemas.results import (
    BreachData,
    BreachEvent,
    Closing,
    ClosingItem,
    CloudEnvelope,
    Credit,
    DeadLetter,
    Outage,
    Status,
    Window,
)
from mailsla.sinks.ddl.facts import FACT_TABLES

_LANDING: Final = {
    "recorded_at": "Kafka's time of the record.",
    "landed_at": "When the insert began, by the server's clock.",
    "topic": "Topic of the record.",
    "partition": "Its partition.",
    "offset": "Its offset.",
    "_version": "Decides which of several rows of one identity holds: the largest.",
    "document": "The whole record as JSON.",
}
_MODELS: Final[Mapping[str, tuple[type[BaseModel], ...]]] = {
    "windows": (Window,),
    "outages": (Outage,),
    "status": (Status,),
    "breaches": (BreachData, BreachEvent, CloudEnvelope),
    "contracts": (Contract,),
    "calendars": (WorkingCalendar,),
    "dead_letters": (DeadLetter,),
    "closing_log": (Closing,),
    "closing_item_log": (ClosingItem, Closing),
    "credit_log": (Credit,),
}
"""result table → the models whose fields are its columns, the first that has one speaks."""
_NESTED: Final[Mapping[str, Mapping[str, tuple[type[BaseModel], str]]]] = {
    "contracts": {
        "monthly_fee": (Fee, "amount"),
        "currency": (Fee, "currency"),
        "profile": (Profile, "name"),
    },
}
"""Columns that hold a field of a nested model."""
TABLES: Final = (*FACT_TABLES.values(), *_MODELS)
"""Tables whose columns are explained."""


def column_comments(table: str) -> Mapping[str, str]:
    """Column → what it means, of one of `TABLES`."""
    topic = next((topic for topic, name in FACT_TABLES.items() if name == table), None)
    words = dict(_of_results(table)) if topic is None else _of_events(topic)
    nested = {name: description(*field) for name, field in _NESTED.get(table, {}).items()}
    return _LANDING | words | nested


def _of_results(table: str) -> Iterator[tuple[str, str]]:
    for model in reversed(_MODELS[table]):
        for name in model.model_fields:
            yield name, description(model, name)


def _of_events(topic: str) -> dict[str, str]:
    """Where the types of a topic mean different things by a field, each with its meaning."""
    meanings: dict[str, dict[str, list[str]]] = {}
    for type_name, model in EVENT_TYPES[topic].items():
        for name in model.model_fields:
            by_text = meanings.setdefault(name, {})
            by_text.setdefault(description(model, name), []).append(type_name)
    return {
        name: " ".join(by_text)
        if len(by_text) == 1
        else " ".join(f"{', '.join(types)}: {text}" for text, types in by_text.items())
        for name, by_text in meanings.items()
    }
