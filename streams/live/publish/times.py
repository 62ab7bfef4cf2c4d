"""Instants on the way out."""

from datetime import UTC, datetime
from functools import lru_cache

from mailsla.schemas.codec.identifiers import rfc3339

_MICROS = 1_000_000


@lru_cache(maxsize=1024)
def text_of(instant_us: int) -> str:
    """µs since 1970 as RFC 3339 in UTC."""
    seconds, micros = divmod(instant_us, _MICROS)
    return rfc3339(datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros))
