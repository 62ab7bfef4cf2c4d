"""Facts of all topics but ``mail.mta`` change the state of their tenant."""

from collections.abc import Iterator

from mailsla.schemas.codec.records import Rejection
from mailsla.streams.clauses.facts.base import Fact
from mailsla.streams.live.apply.invalidation import EXCLUSIONS, changed_since, is_quiet
from mailsla.streams.live.apply.quarantine import hold_back_fact
from mailsla.streams.live.decode.dead_letters import CONFLICT
from mailsla.streams.live.decode.facts import Arrived
from mailsla.streams.live.decode.records import letter
from mailsla.streams.live.state.landed import VOIDED
from mailsla.streams.live.state.tenants import Tenants
from mailsla.streams.runtime.checkpoint.writer import Outgoing


def apply_fact(tenants: Tenants, fact: Fact) -> int:
    """Take a fact of a tenant; the instant, µs, from which on it changes anything."""
    tenant = fact["tenant_id"]
    tenants.observe(fact)
    if fact["type"] in EXCLUSIONS:
        tenants.exclude(tenant)
    return changed_since(fact, lambda: tenants.scope(tenant))


def apply_voiding(tenants: Tenants, voiding: Fact) -> Iterator[tuple[Fact, int]]:
    """Take out the event that a fact voids, if it does, and if the event is here and counted.

    Yields:
        The fact that no longer counts, and the instant, µs, from which on that changes anything.

    """
    if voiding["type"] != VOIDED or not tenants.landed.void(voiding):
        return
    if (fact := tenants.landed.find(voiding)) is None:
        return
    tenant = fact["tenant_id"]
    tenants.take_anew(fact)
    if fact["type"] in EXCLUSIONS:
        tenants.exclude(tenant)
    yield fact, changed_since(fact, lambda: tenants.scope(tenant))


def refuse(tenants: Tenants, one: Arrived) -> Outgoing | None:
    """The dead letter of a tenant's fact that is not taken.

    There is no room for facts of its tenant, or it came before with other content (the first
    counts).
    """
    if (held_back := hold_back_fact(tenants, one)) is not None:
        return held_back
    if not (other := tenants.landed.take(one.fact, tenants.code)):
        return None
    return letter(one.batch, one.offset, Rejection(CONFLICT, ", ".join(other)))


def changes_no_state(tenants: Tenants, fact: Fact, position_us: int, down_until_us: int) -> bool:
    """Whether a fact changes values at most: nothing has to be looked at for it.

    Args:
        tenants: whose fact it is.
        fact: just applied, or about to be.
        position_us: event time reached before.
        down_until_us: until when the tenant was ever seen, or foreseen, to be disconnected.

    """
    versions = tenants.versions(fact["tenant_id"])
    watched = any("operations.monitoring" in each.overrides for each in versions)
    return is_quiet(fact, position_us, down_until_us, watched)
