"""Where a budget will stand at the end of its month, at the pace of the month so far. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from mailsla.streams.web.readings.overview import BUDGETS
from mailsla.streams.web.readings.reading import IndicatorState


@dataclass(frozen=True)
class Forecast:
    """The value at the end of the month, and when the budget is used up, if it is before then."""

    value: Decimal
    used_up_at: datetime | None


def forecast(one: IndicatorState, start: datetime, end: datetime, now: datetime) -> Forecast | None:
    """The forecast of a budget in the month ``[start, end)``; None: not a budget, or not now."""
    if one.indicator not in BUDGETS or one.observed is None or one.target is None:
        return None
    if not start < now < end:
        return None
    passed = Decimal((now - start).total_seconds())
    value = one.observed * Decimal((end - start).total_seconds()) / passed
    used_up_at = None
    if one.observed > 0 and one.observed < one.target <= value:
        used_up_at = start + (now - start) * float(one.target / one.observed)
    return Forecast(value, used_up_at)
