"""Message events as rows of numbers."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mailsla.streams.latency.keyhash import event_keys, leading_bytes, message_keys
from mailsla.streams.latency.messages import ACCEPTED, ENDED, LATENCY, ROW, Rows, series_of
from mailsla.streams.live.decode.records import DecodedBatch

Int64s = npt.NDArray[np.int64]
Numbers = Callable[[Sequence[str]], list[int]]
"""The numbers of some names, in their order."""

_IGNORED: Final = 255
_KINDS: Final = {
    "message.dispatched": ENDED,  # a first attempt is told apart below
    "message.delivered": LATENCY,
    "message.accepted": ACCEPTED,
    "message.bounced": ENDED,
    "message.expired": ENDED,
    "message.discarded": ENDED,
}


def message_rows(
    batch: DecodedBatch, tenants: Numbers, named: Numbers
) -> tuple[Rows, Int64s, Int64s, Int64s]:
    """The rows of a decoded batch of ``mail.mta``.

    Args:
        batch: the events.
        tenants: the numbers of tenants.
        named: the numbers of sources.

    Returns:
        The rows of the events that matter to section 2, their places in the batch, and the numbers
        of tenant and source of every event.

    """
    events = batch.events
    codes = _numbers(events.column("tenant_id"), tenants)
    sources = _numbers(events.column("source"), named)
    kinds = _kinds(events)
    chosen = kinds != _IGNORED
    places = np.flatnonzero(chosen)
    if len(places) < len(kinds):
        events = events.filter(pa.array(chosen))
    inbound = np.asarray(_plain(pc.equal(events.column("direction"), "inbound")), dtype=np.bool_)
    accepted = pc.coalesce(events.column("accepted_at"), events.column("time"))
    rows = np.zeros(events.num_rows, dtype=ROW)
    rows["key"] = message_keys(
        events.column("source").combine_chunks(),
        events.column("message_id").combine_chunks(),
        events.column("recipient").combine_chunks(),
        inbound,
    )
    rows["series"] = series_of(codes[places], inbound)
    rows["source"] = sources[places]
    rows["accepted_us"] = _plain(accepted.combine_chunks().cast(pa.int64()))
    rows["finished_us"] = batch.times_us[places]
    rows["liable"] = _plain(pc.is_valid(events.column("liability")))
    rows["kind"] = kinds[places]
    ids = events.column("id").combine_chunks()
    rows["order"], rows["event"] = leading_bytes(ids), event_keys(ids)
    return rows, places, codes, sources


def earliest_us(batch: DecodedBatch) -> Int64s:
    """The earliest instant that each event tells of: its acceptance, or its own time."""
    accepted = pc.coalesce(batch.events.column("accepted_at"), batch.events.column("time"))
    accepted_us = _plain(accepted.combine_chunks().cast(pa.int64()))
    result: Int64s = np.minimum(batch.times_us, accepted_us)
    return result


def reference_of(batch: DecodedBatch) -> Callable[[int], str]:
    """Names the event at a place: ``source#id``."""
    sources, ids = batch.events.column("source"), batch.events.column("id")

    def name(place: int) -> str:
        return f"{sources[place].as_py()}#{ids[place].as_py()}"

    return name


def _numbers(names: pa.ChunkedArray, numbers: Numbers) -> Int64s:
    encoded = names.combine_chunks().dictionary_encode()
    found = numbers(encoded.dictionary.to_pylist())
    result: Int64s = np.array(found or [0], dtype=np.int64)[_plain(encoded.indices)]
    return result


def _kinds(events: pa.Table) -> npt.NDArray[np.uint8]:
    encoded = events.column("type").combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    table = np.array([_KINDS.get(name, _IGNORED) for name in names] or [0], dtype=np.uint8)
    kinds: npt.NDArray[np.uint8] = table[_plain(encoded.indices)]
    first = pc.and_(
        pc.equal(events.column("type"), "message.dispatched"),
        pc.fill_null(pc.equal(events.column("attempt"), 1), False),
    )
    kinds[np.asarray(_plain(first), dtype=np.bool_)] = LATENCY
    return kinds


def _plain(values: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.generic]:
    if isinstance(values, pa.ChunkedArray):
        return np.asarray(values.to_numpy())
    return np.asarray(values.to_numpy(zero_copy_only=False))
