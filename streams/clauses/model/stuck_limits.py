"""From which age on a message matters, by the contract that judges it (section 2)."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil
from typing import Final

import numpy as np
import numpy.typing as npt

from mailsla.schemas.contract import Contract, Profile, default_contract
from mailsla.streams.clauses.model.contracts import Force, governing, in_force
from mailsla.streams.time.calendar import SECOND, Month
from mailsla.streams.time.intervals import BEFORE_ALL

Int64s = npt.NDArray[np.int64]

_INDICATOR: Final = "latency.exceedances"
_LARGEST: Final = ("latency.send.max", "latency.receive.max")


class LatencyLimits:
    """The ages that matter to the messages of a tenant, as a function of their acceptance.

    ``first`` holds before the first contract, and always if they are ``constant``.
    ``largest_us`` is the latency from which on a message may change the state of a largest latency
    that any version judges (by default none does).
    """

    def __init__(self, tenant_id: str, versions: Sequence[Contract]) -> None:
        steps = {BEFORE_ALL: _ages(default_contract(tenant_id).profile)}
        for month in _turns(in_force(versions)):
            governed = governing(tenant_id, versions, month)
            for part in governed.parts(_INDICATOR) or (governed,):
                steps[part.period.start_us] = _ages(part.contract.profile)
        self._starts_us = np.array(sorted(steps), dtype=np.int64)
        self._ages = np.array([steps[start] for start in sorted(steps)], dtype=np.int64)
        self.first = steps[BEFORE_ALL]
        self.constant = len(set(steps.values())) == 1
        judged = [each for version in versions for each in _judged_largest(version)]
        self.largest_us = min(judged, default=None)

    def at(self, accepted_us: Sequence[int] | Int64s) -> tuple[Int64s, Int64s]:
        """From which age on messages in flight are at risk, and exceedances, µs."""
        places = np.searchsorted(self._starts_us, np.asarray(accepted_us), side="right") - 1
        return self._ages[places, 0], self._ages[places, 1]


def _judged_largest(contract: Contract) -> Iterator[int]:
    for name in _LARGEST:
        term = contract.term(name)
        if term.judged and term.target is not None:
            rising = term.comparator in {"<", "<="}
            share = Fraction(contract.profile.at_risk_share) if rising else Fraction(0)
            yield int(share * Fraction(term.target) * SECOND)


def _turns(forces: Sequence[Force]) -> Iterator[Month]:
    """The months in which a version begins or ends, and those after, in order."""
    days = {each.first for each in forces} | {each.end for each in forces if each.end.year < 9999}
    months = {Month.of(day) for day in days}
    months |= {month.next() for month in months}
    yield from sorted(months, key=lambda each: each.label)


def _ages(profile: Profile) -> tuple[int, int]:
    return stuck_us(profile), profile.max_latency_s * SECOND


def stuck_us(profile: Profile) -> int:
    """From which age on a message in flight is at risk to become an exceedance, µs."""
    return ceil(Fraction(profile.in_flight_share) * profile.max_latency_s * SECOND)
