"""Tenants of whom the same is known, so that one look serves all of them."""

from dataclasses import dataclass, field

from mailsla.streams.live.evaluate.dirty_sections import DirtySections


@dataclass(slots=True)
class Group:
    """Tenants that are looked at as one, and what of them is dirty or due."""

    tenants: dict[str, None] = field(default_factory=dict)
    dirty: DirtySections = field(default_factory=DirtySections)
    down_until_us: int = 0
    """Until when they were ever seen, or foreseen, to be disconnected."""

    @property
    def one(self) -> str:
        """Any of its tenants: it stands for all of them."""
        return next(iter(self.tenants))
