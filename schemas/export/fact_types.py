"""The classes of facts, written from the event models: ``make facts``.

A type checker must see each field, so the classes are text. They say nothing of their own: a test
holds the text against the models.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mailsla.schemas.codec.columns import Column, Kind, Rule, columns
from mailsla.schemas.envelope import Event
from mailsla.schemas.registry import EVENT_TYPES
from mailsla.schemas.topics import MTA

FOLDER: Final = Path(__file__).parents[1] / "facts"

_LONGEST_LINE: Final = 100
_TYPES: Final[dict[Kind, str]] = {
    "text": "str",
    "choice": "str",
    "instant": "Micros",
    "integer": "int",
    "real": "float",
    "flag": "bool",
    "money": "str",
    "sections": "list[int]",
}


def fact_modules() -> dict[str, str]:
    """File name → text of each module of facts; mail is read by the column instead."""
    return {
        f"{topic.removeprefix('mail.')}.py": _module(topic)
        for topic in EVENT_TYPES
        if topic != MTA.name
    }


def _module(topic: str) -> str:
    models = EVENT_TYPES[topic]
    classes = "".join(_class(topic, name, model) for name, model in models.items())
    made_of = f"mailsla.schemas.events.{topic.removeprefix('mail.')}"
    names = ", ".join(["Fact", *["Micros"] * ("Micros" in classes), "fact_type"])
    return (
        f'"""Facts of ``{topic}``, made from `{made_of}` by ``make facts``."""\n\n'
        "from typing import ClassVar, Literal\n\n"
        f"from mailsla.schemas.facts.fact import {names}\n{classes}"
    )


def _class(topic: str, name: str, model: type[Event]) -> str:
    own = "".join(_fields(topic, name))
    return (
        f"\n\n@fact_type\nclass {model.__name__}Fact(Fact):\n"
        f'    """``{name}``, which `{model.__name__}` describes."""\n\n'
        f'    topic: ClassVar[str] = "{topic}"\n{own}'
    )


def _fields(topic: str, type_name: str) -> Iterator[str]:
    """The lines of those fields that not every event has, and of the type."""
    for column in columns(topic):
        rule = column.rules.get(type_name)
        if rule is not None and (column.name == "type" or column.name not in Event.model_fields):
            yield _field(column, rule)


def _field(column: Column, rule: Rule) -> str:
    absent = "" if rule.required or rule.default is not None else " | None"
    if rule.choices is None:
        return f"    {column.name}: {_TYPES[column.kind]}{absent}\n"
    choices = [f'"{choice}"' for choice in sorted(rule.choices)]
    line = f"    {column.name}: Literal[{', '.join(choices)}]{absent}\n"
    if len(line) <= _LONGEST_LINE:
        return line
    lines = "".join(f"        {choice},\n" for choice in choices)
    return f"    {column.name}: Literal[\n{lines}    ]{absent}\n"


if __name__ == "__main__":
    for file_name, text in fact_modules().items():
        FOLDER.joinpath(file_name).write_text(text, encoding="utf-8")
