"""What all facts have, and how their classes are declared."""

from dataclasses import dataclass
from typing import ClassVar, TypeVar, dataclass_transform

Micros = int
"""An instant, microseconds since 1970 UTC."""

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def fact_type(cls: type[_T]) -> type[_T]:
    """Declare a kind of fact: a slotted dataclass that nobody writes to.

    Type checkers see it frozen. At run time it is not: filling a frozen one takes eight times as
    long, and every accepted event of the thin topics becomes one.
    """
    return dataclass(slots=True)(cls)


@fact_type
class Fact:
    """An accepted event: its fields under their names of the wire contract.

    What is absent is None. ``source`` and ``id`` identify it for ever.
    """

    topic: ClassVar[str]
    """The topic that carries events of its type."""

    id: str
    source: str
    type: str
    tenant_id: str
    time: Micros

    @property
    def reference(self) -> str:
        """How evidence names the event: ``source#id``."""
        return f"{self.source}#{self.id}"
