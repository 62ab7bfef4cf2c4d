"""Whether the provider's own resolver is down, told by whose names are not found.

A destination whose name servers do not answer is a foreign system's failure: the attempt was
made, and contract §2 ends the send latency with it. Only where lookups fail for many unrelated
domains at once, and none succeeds in between, is it the provider's own resolver, and nothing
was started.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from mailsla.streams.connectors.stamps import SECOND

WINDOW: Final = 60 * SECOND
"""How long a failed lookup is held back, and within what time failures are at once (µs)."""
MANY: Final = 5
"""Unrelated domains."""

_MEMORY: Final = 4_096


class Resolver:
    """The lookups of one host, in the order of its log."""

    def __init__(self) -> None:
        self.is_down = False
        self._failing: OrderedDict[str, int] = OrderedDict()
        self._dead: OrderedDict[str, None] = OrderedDict()

    def is_dead(self, domain: str) -> bool:
        """Whether the domain's own name servers are known to fail."""
        return domain in self._dead

    def failed(self, domain: str, stamp: int) -> bool:
        """A lookup for a domain failed; whether this shows that the resolver went down."""
        if self.is_down or domain in self._dead:
            return False
        for other, since in list(self._failing.items()):
            if since < stamp - WINDOW:
                self._bury(other)
        self._failing.setdefault(domain, stamp)
        self.is_down = len({_registered(name) for name in self._failing}) >= MANY
        return self.is_down

    def succeeded(self) -> bool:
        """A destination was reached by its name; whether failures are decided by it."""
        decides = self.is_down or bool(self._failing)
        if not self.is_down:
            for domain in list(self._failing):
                self._bury(domain)
        self._failing.clear()
        self.is_down = False
        return decides

    def _bury(self, domain: str) -> None:
        self._failing.pop(domain, None)
        self._dead[domain] = None
        if len(self._dead) > _MEMORY:
            self._dead.popitem(last=False)

    def snapshot(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "is_down": self.is_down,
            "failing": list(self._failing.items()),
            "dead": list(self._dead),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The reverse of snapshot."""
        self.is_down = state["is_down"]
        self._failing = OrderedDict((domain, stamp) for domain, stamp in state["failing"])
        self._dead = OrderedDict.fromkeys(state["dead"])


def _registered(domain: str) -> str:
    """The domain without its subdomains, near enough to tell unrelated ones apart."""
    return ".".join(domain.lower().rsplit(".", 2)[-2:])
