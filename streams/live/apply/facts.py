"""Facts of all topics but ``mail.mta`` change the state of their tenant."""

from mailsla.schemas.codec.records import Rejection
from mailsla.schemas.facts.fact import Fact
from mailsla.schemas.facts.ops import EventVoidedFact
from mailsla.streams.clauses.invalidation import EXCLUSIONS, changed_since
from mailsla.streams.live.apply.quarantine import hold_back_fact
from mailsla.streams.live.decode.facts import Arrived
from mailsla.streams.live.decode.records import letter
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.writer import Outgoing
from mailsla.streams.runtime.dead_letters import CONFLICT


def land(tenants: Tenants, one: Arrived, line: bytes) -> tuple[bool, Outgoing | None]:
    """Note a tenant's fact as one that has landed.

    Args:
        tenants: whose fact it is.
        one: the fact, and where it came from.
        line: the same as `encode_fact` writes it.

    Returns:
        Whether it is to be applied: not if it is known already. And its dead letter, if there is no
        room for facts of its tenant, or it came before with other content (the first counts).

    """
    if (held_back := hold_back_fact(tenants, one)) is not None:
        return False, held_back
    landing = tenants.landed.take(one.fact, line)
    if not landing.differing:
        return landing.is_new, None
    rejection = Rejection(CONFLICT, ", ".join(landing.differing))
    return False, letter(one.batch, one.offset, rejection)


def apply_fact(tenants: Tenants, fact: Fact) -> int:
    """Take a new fact of a tenant; the instant, µs, from which on it changes anything."""
    tenants.observe(fact)
    return _changed_since(tenants, fact)


def apply_voiding(tenants: Tenants, voiding: EventVoidedFact) -> tuple[Fact, int] | None:
    """Take out the event that is voided, if it is here and counted.

    Returns:
        The fact that no longer counts, and the instant, µs, from which on that changes anything.

    """
    if (gone := tenants.landed.void(voiding)) is None:
        return None
    return gone, _changed_since(tenants, gone)


def _changed_since(tenants: Tenants, fact: Fact) -> int:
    """The same of a fact that has just come or gone; exclusions take effect."""
    if isinstance(fact, EXCLUSIONS):
        tenants.exclude(fact.tenant_id)
    return changed_since(fact, lambda: tenants.scope(fact.tenant_id))
