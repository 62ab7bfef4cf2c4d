"""What stands behind a figure: outages, incidents, messages, cases, with their total. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mailsla.sinks.statement.facts import spans
from mailsla.sinks.statement.facts.content import SHOWN, Evidence, Proof, StatementIncident

_OF_KIND: Final = {
    "fault": "operations.fault_duration",
    "adjustment": "operations.adjustment_duration",
}


def proof_of(rows: Sequence[Mapping[str, Any]]) -> Proof:
    """The proof of one indicator from the rows of an evidence query, in their order."""
    found = [
        Evidence(
            reference=row["reference"],
            begins_us=row["begins_us"],
            ends_us=row["ends_us"],
            due_us=row["due_us"],
            about={name: value for name, value in row["about"].items() if name and value},
        )
        for row in rows
    ]
    return Proof(found, rows[0]["total"])


def outage_proof(down: Sequence[spans.Span], excused: Sequence[spans.Span]) -> Proof:
    """The longest outages in order of time; ``excused_us`` is what exclusions take out of each."""
    longest = sorted(down, key=lambda span: span[0] - span[1])[:SHOWN]
    rows = []
    for start, end in sorted(longest):
        taken = spans.length(spans.clip(excused, start, end))
        about = {"excused_us": str(taken)} if taken else {}
        rows.append(Evidence("", start, end, about=about))
    return Proof(rows, len(down))


def incident_proofs(incidents: Sequence[StatementIncident], month: spans.Span) -> dict[str, Proof]:
    """Indicator → the longest incidents that touch the month, in order of time."""
    proofs = {}
    for kind, indicator in _OF_KIND.items():
        own = [
            one
            for one in incidents
            if one.kind == kind
            and one.opened_us < month[1]
            and (one.closed_us == 0 or one.closed_us > month[0])
        ]
        longest = sorted(own, key=lambda one: one.opened_us - (one.closed_us or month[1]))[:SHOWN]
        rows = [_incident(one) for one in sorted(longest, key=lambda one: one.opened_us)]
        if rows:
            proofs[indicator] = Proof(rows, len(own))
    return proofs


def _incident(one: StatementIncident) -> Evidence:
    about = {
        "scope": "platform" if one.of_platform else "",
        "component": one.component,
        "description": one.description,
    }
    told = {name: value for name, value in about.items() if value}
    return Evidence(one.incident_id, one.opened_us, one.closed_us, about=told)
