"""Events that are not applied: of tenants for whom there is no room, and mail that is voided."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mailsla.streams.live.decode.facts import Arrived
from mailsla.streams.live.decode.records import DecodedBatch, leave_out, letter, pass_over
from mailsla.streams.live.state.landed import QUOTA
from mailsla.streams.live.state.strangers import REJECTION
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.writer import Outgoing


def admit_mail(tenants: Tenants, batch: DecodedBatch) -> DecodedBatch:
    """A batch of ``mail.mta`` without the events that do not count here.

    Those of further tenants that nobody knows become dead letters; what was voided before it came
    is left out.
    """
    return _without_voided(tenants, _without_strangers(tenants, batch))


def _without_voided(tenants: Tenants, batch: DecodedBatch) -> DecodedBatch:
    if not (voided := tenants.landed.voided(batch.topic)):
        return batch
    sources, ids = batch.events.column("source"), batch.events.column("id")
    named = pc.is_in(ids, value_set=pa.array([id_ for _, id_ in voided], ids.type))
    unwanted = np.array(named.to_numpy())
    for place in np.flatnonzero(unwanted).tolist():
        unwanted[place] = (sources[place].as_py(), ids[place].as_py()) in voided
    return leave_out(batch, unwanted)


def _without_strangers(tenants: Tenants, batch: DecodedBatch) -> DecodedBatch:
    room = tenants.strangers.room_for_mail()
    if len(batch) <= room:
        return batch  # for all of them, whoever they are
    names = batch.events.column("tenant_id").combine_chunks().dictionary_encode()
    new = [
        number
        for number, name in enumerate(names.dictionary.to_pylist())
        if not tenants.takes_mail(name)
    ]
    refused = new[room:]
    if not refused:
        return batch
    offsets = batch.offsets[np.isin(names.indices.to_numpy(), refused)].tolist()
    tenants.strangers.held_back[batch.topic] += len(offsets)
    return pass_over(batch, dict.fromkeys(offsets, REJECTION))


def hold_back_fact(tenants: Tenants, one: Arrived) -> Outgoing | None:
    """The dead letter of a fact, if there is no room for those of its tenant."""
    stranger = not tenants.takes_facts(one.fact.tenant_id)
    if not stranger and tenants.landed.has_room(one.fact):
        return None
    tenants.strangers.held_back[one.batch.topic] += 1
    return letter(one.batch, one.offset, REJECTION if stranger else QUOTA)
