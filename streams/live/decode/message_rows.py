"""Message events as rows of numbers."""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streams.latency.keyhash import leading_bytes, message_keys
from streams.latency.messages import ACCEPTED, LATENCY, ROW, SETTLED, Rows

_IGNORED: Final = 255
_KINDS: Final = {
    "message.dispatched": SETTLED,  # a first attempt is told apart below
    "message.delivered": LATENCY,
    "message.accepted": ACCEPTED,
    "message.bounced": SETTLED,
    "message.expired": SETTLED,
    "message.discarded": SETTLED,
}


def message_rows(
    events: pa.Table, code: Callable[[str], int]
) -> tuple[Rows, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The rows of a decoded batch of ``mail.mta``.

    Args:
        events: the topic's Arrow table.
        code: the number of a tenant.

    Returns:
        The rows of the events that matter to section 2, their places in the batch, and the tenant
        code of every event.

    """
    encoded = events.column("tenant_id").combine_chunks().dictionary_encode()
    numbers = [code(name) for name in encoded.dictionary.to_pylist()]
    codes = np.array(numbers or [0], dtype=np.int64)[_plain(encoded.indices)]
    kinds = _kinds(events)
    chosen = kinds != _IGNORED
    if not chosen.all():
        events = events.filter(pa.array(chosen))
    inbound = np.asarray(_plain(pc.equal(events.column("direction"), "inbound")), dtype=np.bool_)
    accepted = pc.coalesce(events.column("accepted_at"), events.column("time"))
    rows = np.empty(events.num_rows, dtype=ROW)
    rows["key"] = message_keys(
        events.column("source").combine_chunks(),
        events.column("message_id").combine_chunks(),
        events.column("recipient").combine_chunks(),
        inbound,
    )
    rows["series"] = (2 * codes[chosen] + inbound).astype(np.int32)
    rows["accepted_us"] = _plain(accepted.combine_chunks().cast(pa.int64()))
    rows["finished_us"] = _plain(events.column("time").combine_chunks().cast(pa.int64()))
    rows["liable"] = _plain(pc.is_valid(events.column("liability")))
    rows["kind"] = kinds[chosen]
    rows["order"] = leading_bytes(events.column("id").combine_chunks())
    return rows, np.flatnonzero(chosen), codes


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
