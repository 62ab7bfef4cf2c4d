"""Events of tenants for which there is no room become dead letters in their place."""

import numpy as np

from mailsla.streams.live.decode.facts import Arrived
from mailsla.streams.live.decode.records import DecodedBatch, letter, pass_over
from mailsla.streams.live.state.strangers import REJECTION
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.writer import Outgoing


def hold_back_mail(tenants: Tenants, batch: DecodedBatch) -> DecodedBatch:
    """A batch of ``mail.mta`` without the events of further tenants that nobody knows."""
    names = batch.events.column("tenant_id").combine_chunks().dictionary_encode()
    new = [
        number
        for number, name in enumerate(names.dictionary.to_pylist())
        if not tenants.takes_mail(name)
    ]
    refused = new[tenants.strangers.room_for_mail() :]
    if not refused:
        return batch
    offsets = batch.offsets[np.isin(names.indices.to_numpy(), refused)].tolist()
    tenants.strangers.held_back[batch.topic] += len(offsets)
    return pass_over(batch, dict.fromkeys(offsets, REJECTION))


def hold_back_fact(tenants: Tenants, one: Arrived) -> Outgoing | None:
    """The dead letter of a fact, if there is no room for those of its tenant."""
    if tenants.takes_facts(one.fact["tenant_id"]):
        return None
    tenants.strangers.held_back[one.batch.topic] += 1
    return letter(one.batch, one.offset, REJECTION)
