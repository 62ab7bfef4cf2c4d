"""From which instant on a fact changes what is known; it may lie long before the fact."""

from datetime import date
from typing import Final

from streams.clauses.facts import Fact
from streams.clauses.registry import Scope
from streams.windows.calendar import DAY

EXCLUSIONS: Final = frozenset({"exclusion.declared", "exclusion.revoked"})
_EPOCH: Final = date(1970, 1, 1)


def changed_since(fact: Fact, scope: Scope) -> int:
    """The instant, µs, from which on a fact that its scope has just taken changes anything.

    An exclusion reaches back to the earliest start it was ever declared with, since a later
    declaration or a revocation gives that time back; a bill to the month it is for; the report
    of a source of spam to the month in which that was confirmed.
    """
    time_us: int = fact["time"]
    earlier: int | None = None
    if fact["type"] in EXCLUSIONS:
        earlier = scope.ops.exclusions.first_start(fact["exclusion_id"])
    elif fact["type"] == "source.reported":
        earlier = scope.abuse.source_confirmed_us(fact["case_id"])
    elif "billing_month" in fact:
        # Within the month in every time zone.
        second = date.fromisoformat(f"{fact['billing_month']}-02")
        earlier = (second - _EPOCH).days * DAY
    return time_us if earlier is None else min(time_us, earlier)


def is_quiet(fact: Fact, position_us: int) -> bool:
    """Whether a fact changes no present state, and puts off what is to come if anything.

    A good probe result or a heartbeat that comes in order speaks for the time after it only.
    """
    good = fact["type"] == "monitor.heartbeat" or (fact["type"] == "probe.result" and fact["ok"])
    return bool(good and fact["time"] >= position_us)
