"""Section 8: orders opened and notified within hours of their payment."""

from collections.abc import Iterator

from mailsla.streams.clauses.facts.billing import BillingFacts
from mailsla.streams.clauses.kinds.deadlines import Deadline, deadline_measure
from mailsla.streams.clauses.model.measure import Measure, View
from mailsla.streams.time.calendar import HOUR

INDICATORS = ("provisioning.own_domain", "provisioning.new_domain")


def measure(own: BillingFacts, view: View) -> list[Measure]:
    """Late orders of the month in which their deadline falls."""
    spoken = view.spoken(own)
    rules = (("provisioning.own_domain", "own"), ("provisioning.new_domain", "new"))
    return [
        deadline_measure(indicator, list(_orders(own, kind, view)), view, spoken)
        for indicator, kind in rules
    ]


def _orders(own: BillingFacts, domain_kind: str, view: View) -> Iterator[Deadline]:
    for order in own.orders.values():
        payment = order.payment
        if payment is None or payment.domain_kind != domain_kind:
            continue
        profile = view.received_under(payment.time_us).profile
        hours = profile.own_domain_hours if domain_kind == "own" else profile.new_domain_hours
        deadline_us = payment.time_us + hours * HOUR
        if not view.start_us <= deadline_us < view.end_us:
            continue
        # Done at the deadline itself is in time.
        due_us = deadline_us + 1
        done = order.done_us is not None and order.done_us < due_us
        late = not done and (order.done_us is not None or view.now_us >= due_us)
        yield Deadline(payment.time_us, due_us, late, done, f"{payment.source}#{payment.id}")
