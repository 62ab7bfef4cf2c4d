"""Decimals as text: exact, without trailing zeros."""

from decimal import Decimal
from functools import lru_cache


@lru_cache(maxsize=8192)
def exact(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent."""
    return Decimal(f"{value.normalize():f}")


def plain(value: Decimal) -> str:
    """The number as it is, ``2640`` or ``0.998655913``."""
    return f"{exact(value):f}"
