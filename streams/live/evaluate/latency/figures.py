"""How section 2 of many months stands, in columns."""

from typing import Final, NamedTuple

import numpy as np

from mailsla.streams.latency.row_index import Int64s
from mailsla.streams.live.evaluate.latency.means import Means
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.time.calendar import SECOND

NANOS: Final = 10**9


class Figures(NamedTuple):
    """A month: its five indicators in the order of the agreement.

    The value of each is ``numerators / denominators``; a denominator of 0 means there is none.
    ``excluded`` are how many messages are left out, ``impending`` the messages in flight that are
    at risk; ``missed`` says which means miss their targets, ``final`` that they no longer change.
    """

    numerators: list[int]
    denominators: list[int]
    excluded: list[int]
    impending: int
    missed: list[bool]
    final: bool


def figures_of(tenants: Tenants, means: Means, slots: Int64s, known_us: int) -> list[Figures]:
    """How some months stand.

    Args:
        tenants: of the task.
        means: judges means.
        slots: of whole months.
        known_us: up to when all mail is known.

    """
    months = tenants.latency.months
    sums, count, sum_us = months.sums, months.sums.count[slots], months.sums.sum_us[slots]
    heard_us = tenants.mail_since_us(months.tenants_of(slots))
    spoken = (heard_us < months.means.heard_until_us[slots]).astype(np.int64)
    over = sums.over[slots] + sums.flying_over[slots]
    excluded = sums.all_count[slots] - count
    missed = [
        means.fails(slots, np.full(len(slots), way), sum_us[:, way], count[:, way])
        & months.means.judged[slots, way]
        for way in (0, 1)
    ]
    zeros = np.zeros_like(over)
    columns = (
        np.column_stack([sum_us, over, sums.largest_us[slots]]),
        np.column_stack([count * SECOND, spoken, (count > 0) * SECOND]),
        np.column_stack([excluded, zeros, excluded]),
        sums.at_risk[slots],
        np.column_stack(missed),
        months.means.final_us[slots] <= known_us,
    )
    return [Figures(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
