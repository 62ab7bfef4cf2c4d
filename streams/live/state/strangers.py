"""Which tenants that no contract names are taken into the state of a task.

Anybody who may publish events can invent tenants. One of which facts of sections 1 and 3 to 9 are
known costs a fifth of a megabyte, one of which only mail is known a hundredth of one. So there is
room for a number of each; the events of further ones are held back. Who came first has a place and
keeps it: the state remembers them, so that a restart decides as before.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from mailsla.schemas.codec.records import HELD_BACK, Rejection

REJECTION: Final = Rejection(
    f"{HELD_BACK}: no contract names this tenant, and there are too many of the kind", "tenant_id"
)
MOST_STRANGERS: Final = 1_000
MAIL_ALONE: Final = 50
"""How many tenants with mail alone there may be for each one with facts."""


class Strangers:
    """Those of one task, by their numbers; places for mail and for facts are given apart.

    Mail and the other topics are not applied in one order, whatever was fetched first, but each of
    them is. So who has a place hangs on the log alone.

    Args:
        most: how many of them may have facts.

    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._with_mail: set[int] = set()
        self._with_facts: set[int] = set()
        self.held_back = Counter[str]()
        """Topic → events held back since it was asked last."""

    def __len__(self) -> int:
        return len(self._with_mail | self._with_facts)

    def has_mail(self, code: int) -> bool:
        """Whether one has a place for its mail."""
        return code in self._with_mail

    def room_for_mail(self) -> int:
        """How many more may have one."""
        return max(0, self._most * MAIL_ALONE - len(self._with_mail))

    def may_have_facts(self, code: int) -> bool:
        """Whether one has a place for its facts, or may get it."""
        return code in self._with_facts or len(self._with_facts) < self._most

    def take_mail(self, codes: Iterable[int]) -> None:
        """Mail of some was taken for the first time."""
        self._with_mail.update(codes)

    def take_facts(self, code: int) -> None:
        """Facts of one were taken for the first time."""
        self._with_facts.add(code)

    def agree(self, code: int) -> None:
        """A contract names it: it is none any more."""
        self._with_mail.discard(code)
        self._with_facts.discard(code)
