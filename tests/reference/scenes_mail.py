"""Scenes of a random history: messages, probes, incidents, exclusions."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, get_args

from mailsla.schemas.codec.identifiers import ExclusionCode
from tests.reference.frame import Frame

Draft = dict[str, Any]
"""An event without id, its times still datetimes; the source where it is part of an identity."""

LATENCIES_US = (
    0, 1, 5_500_000, 59_999_999, 60_000_000, 60_000_001, 60_000_000, 61_000_000,
    3_599_999_999, 3_600_000_000, 3_600_000_001, 7_200_000_000, 400_000_000_000,
)  # fmt: skip
LENGTHS_S = (0, 1, 30, 267.84, 600, 600.000001, 2640, 2639.999999, 5999.999999, 6000, 7000, 90_000)
CODES = get_args(ExclusionCode)
ACTORS = ("li", "wang")
SOURCES = ("mx1/postfix", "mx2/postfix")


def later(rng: Random, lengths: tuple[float, ...] = LENGTHS_S) -> timedelta:
    """A length of some interest."""
    return timedelta(microseconds=round(rng.choice(lengths) * 1_000_000))


def messages(rng: Random, frame: Frame) -> list[Draft]:
    """A few messages of a tenant, finished or not, with all that may befall them."""
    tenant, direction = frame.tenant(rng), rng.choice(("outbound", "inbound"))
    drafts: list[Draft] = []
    for _ in range(rng.randint(1, 4)):
        base: Draft = {
            "tenant_id": tenant,
            "source": rng.choice(SOURCES),
            "message_id": f"q{rng.randrange(10**9)}",
            "direction": direction,
        }
        accepted = frame.moment(rng)
        for recipient in ("r1@example.org", "r2@example.org")[: rng.choice((1, 1, 2))]:
            drafts += _fate(rng, base | {"recipient": recipient}, accepted)
    return drafts


def _fate(rng: Random, base: Draft, accepted: Any) -> list[Draft]:
    finish = "message.dispatched" if base["direction"] == "outbound" else "message.delivered"
    if rng.random() < 0.15:
        base = base | {"liability": rng.choice(CODES)}
    drafts: list[Draft] = []
    if rng.random() < 0.5:
        drafts.append(base | {"type": "message.accepted", "time": accepted})
        if rng.random() < 0.3:
            drafts[0]["accepted_at"] = accepted
    done = accepted + timedelta(microseconds=rng.choice(LATENCIES_US))
    timed = base | {"type": finish, "time": done, "accepted_at": accepted}
    pick = rng.random()
    if pick < 0.65:
        drafts.append(timed)
        if rng.random() < 0.25:
            again = done + timedelta(seconds=rng.choice((-30, 0, 1, 3600)))
            begun = min(accepted + timedelta(seconds=rng.choice((0, 0, -5))), again)
            drafts.append(timed | {"time": again, "accepted_at": begun} | _other_liability(rng))
        if finish == "message.dispatched" and rng.random() < 0.3:
            retry = done + timedelta(seconds=rng.choice((-1, 1800)))
            attempt = {"attempt": rng.choice((1, 2, 7)), "accepted_at": min(accepted, retry)}
            drafts.append(timed | {"time": retry} | attempt)
    elif pick < 0.8:
        outcomes = ("bounced", "expired", "discarded", "rejected", "deferred")
        drafts.append(base | {"type": f"message.{rng.choice(outcomes)}", "time": done})
    elif not drafts:
        drafts.append(base | {"type": "message.accepted", "time": accepted})
    return drafts


def _other_liability(rng: Random) -> Draft:
    return {"liability": rng.choice((None, "carrier"))} if rng.random() < 0.3 else {}


def probe_run(rng: Random, frame: Frame) -> list[Draft]:
    """A probe that runs for a while, with failures, gaps and repeated times."""
    interval = rng.choice((60, 60, 300, 0.5, 1320, 1319.9999995, 1320.0000004, 1800, 40_000))
    base = {
        "type": "probe.result",
        "tenant_id": frame.tenant_or_platform(rng),
        "source": rng.choice(("probe/a", "probe/b")),
        "probe": rng.choice(("p1", "p2")),
        "channel": rng.choice(("smtp", "web", "imap")),
        "capability": rng.choice(("send", "receive")),
        "scope": rng.choice(("internal", "external")),
    }
    time = frame.moment(rng)
    bad_share = rng.choice((0, 0.3, 1, 1))
    drafts = []
    for _ in range(rng.randint(1, 8)):
        drafts.append(
            base | {"time": time, "ok": rng.random() >= bad_share, "interval_s": interval}
        )
        if rng.random() < 0.1:
            widened = interval * rng.choice((0.5, 2))
            drafts.append(base | {"time": time, "ok": rng.random() < 0.5, "interval_s": widened})
        steps = (1, 1, 1, 2, 2, 3, 0.25, 10)
        time += timedelta(microseconds=round(interval * 1_000_000 * rng.choice(steps)))
    return drafts


def incident(rng: Random, frame: Frame) -> list[Draft]:
    """An incident: opened once or more, closed once, more or not at all."""
    begun = frame.moment(rng)
    base = {
        "tenant_id": frame.tenant_or_platform(rng),
        "incident_id": rng.choice(("i1", "i2", "i3", f"i{rng.randrange(10**6)}")),
    }
    kind = rng.choice(("fault", "fault", "adjustment"))
    opened = {"type": "incident.opened", "time": begun, "kind": kind}
    drafts = [base | opened]
    if rng.random() < 0.15:
        other = {"kind": rng.choice(("fault", "adjustment"))}
        drafts.append(
            base | opened | other | {"time": begun + timedelta(seconds=rng.choice((-7, 0, 9)))}
        )
    drafts += [
        base | {"type": "incident.closed", "time": begun + later(rng)}
        for _ in range(rng.choice((0, 1, 1, 1, 1, 2)))
    ]
    if rng.random() < 0.1:
        stray = begun - timedelta(seconds=1)
        drafts.append(base | {"type": "incident.closed", "time": stray})
    return drafts


def faulty_year(rng: Random, frame: Frame) -> list[Draft]:
    """Short faults on several days since the new year, about as many as the year allows."""
    tenant = frame.tenant_or_platform(rng)
    new_year = min(edge for edge in frame.edges if edge.year >= frame.month.year - 1)
    span = max((frame.anchors[0] - new_year).days, 1)
    drafts: list[Draft] = []
    for number in range(rng.randint(3, 8)):
        begun = new_year + timedelta(days=rng.randrange(span), seconds=rng.randrange(86_400))
        base = {"tenant_id": tenant, "incident_id": f"y{number}-{rng.randrange(10**6)}"}
        drafts.append(base | {"type": "incident.opened", "time": begun, "kind": "fault"})
        ended = begun + later(rng, (0, 0.000001, 5, 60, 3600))
        drafts.append(base | {"type": "incident.closed", "time": ended})
    return drafts


def exclusion(rng: Random, frame: Frame) -> list[Draft]:
    """An exclusion, declared when or after it happened, declared again, revoked, or not."""
    starts = frame.moment(rng)
    declared_at = rng.choice((starts, starts + timedelta(days=2), frame.moment(rng)))
    identity = {
        "tenant_id": frame.tenant_or_platform(rng),
        "exclusion_id": rng.choice(("x1", "x2", f"x{rng.randrange(10**6)}")),
    }
    declared: Draft = identity | {
        "type": "exclusion.declared",
        "time": declared_at,
        "code": rng.choice(CODES),
        "starts_at": starts,
        "ends_at": starts + later(rng, (0, 0.000001, 60, 1200, 3600, 7200, 86_400)),
    }
    if rng.random() < 0.3:
        declared["sections"] = rng.choice(([1], [2], [1, 2], [3], [1, 3], [2, 9], [1, 2, 3]))
    if declared["code"] == "agreed_maintenance" and rng.random() < 0.6:
        declared["consent_ref"] = "letter 7"
    drafts = [declared]
    if rng.random() < 0.25:
        shift = timedelta(seconds=rng.choice((-60, 0, 60)))
        changed = {"time": declared_at + shift, "ends_at": starts + timedelta(seconds=90)}
        drafts.append(declared | changed)
    if rng.random() < 0.25:
        when = declared_at + timedelta(seconds=rng.choice((-1, 0, 1, 86_400)))
        drafts.append(identity | {"type": "exclusion.revoked", "time": when})
    return drafts


def excused_outage(rng: Random, frame: Frame) -> list[Draft]:
    """An outage, a fault and an exclusion that overlap, by design rather than by chance."""
    tenant, begun = frame.tenant(rng), frame.moment(rng)
    interval = rng.choice((60, 600, 1500))
    down = {
        "type": "probe.result",
        "tenant_id": rng.choice((tenant, "*")),
        "time": begun,
        "probe": "p1",
        "channel": "smtp",
        "capability": "send",
        "scope": "external",
        "ok": False,
        "interval_s": interval,
    }
    starts = begun + timedelta(seconds=rng.choice((-300, 0, 30)))
    excused = {
        "type": "exclusion.declared",
        "tenant_id": rng.choice((tenant, "*")),
        "exclusion_id": f"x{rng.randrange(10**6)}",
        "time": begun + timedelta(days=1),
        "code": rng.choice(("carrier", "force_majeure", "customer_misuse")),
        "starts_at": starts,
        "ends_at": starts + timedelta(seconds=rng.choice((301, 600, 4000))),
    }
    broken = {"tenant_id": rng.choice((tenant, "*")), "incident_id": f"i{rng.randrange(10**6)}"}
    opened = broken | {"type": "incident.opened", "time": begun, "kind": "fault"}
    closed = broken | {"type": "incident.closed", "time": begun + timedelta(seconds=900)}
    return [down, excused, opened, closed]


def declared_outage(rng: Random, frame: Frame) -> list[Draft]:
    """An outage that somebody declares, declares again, or takes back; with a message in it."""
    begun = frame.moment(rng)
    declared_at = begun + timedelta(seconds=rng.choice((0, 60, 86_400)))
    identity = {"tenant_id": frame.tenant_or_platform(rng), "outage_id": f"o{rng.randrange(3)}"}
    declared: Draft = identity | {
        "type": "outage.declared",
        "time": declared_at,
        "starts_at": begun,
        "ends_at": begun + later(rng, (0, 0.000001, 60, 1200, 2640, 7200)),
        "reason": "power",
        "actor": rng.choice(ACTORS),
    }
    drafts = [declared]
    if rng.random() < 0.3:
        shifted = begun - timedelta(seconds=60)
        drafts.append(declared | {"time": declared_at + timedelta(1), "starts_at": shifted})
    if rng.random() < 0.2:
        when = declared_at + timedelta(seconds=rng.choice((-1, 0, 1)))
        drafts.append(identity | {"type": "outage.revoked", "time": when})
    if rng.random() < 0.7:
        drafts.append(_approval(rng, identity["tenant_id"], identity["outage_id"], declared_at))
    return drafts


def checked_exclusion(rng: Random, frame: Frame) -> list[Draft]:
    """An exclusion with a named declarer, whom another, the same or nobody approves."""
    drafts = [draft | {"actor": rng.choice(ACTORS)} if "code" in draft else draft
              for draft in exclusion(rng, frame)]  # fmt: skip
    first = drafts[0]
    if rng.random() < 0.8:
        scope = rng.choice((first["tenant_id"], first["tenant_id"], "*"))
        drafts.append(_approval(rng, scope, first["exclusion_id"], first["time"]))
    return drafts


def maintenance(rng: Random, frame: Frame) -> list[Draft]:
    """Windows of agreed maintenance, of the month and before, some overlapping or taken back."""
    scope, drafts = frame.tenant_or_platform(rng), []
    new_year = datetime(frame.month.year, 1, 1, tzinfo=UTC)
    days = (frame.month - new_year.date()).days
    for _ in range(rng.randint(1, 4)):
        begun = rng.choice((frame.moment(rng), frame.moment(rng), frame.somewhere(rng)))
        if rng.random() < 0.3:
            begun = new_year + timedelta(seconds=rng.randrange(-86_400, (days + 1) * 86_400))
        identity = {"tenant_id": scope, "exclusion_id": f"w{rng.randrange(10**6)}"}
        declared = begun - timedelta(days=rng.choice((-1, 0, 1, 5)))
        drafts.append(
            identity
            | {
                "type": "exclusion.declared",
                "time": declared,
                "code": "agreed_maintenance",
                "consent_ref": "letter 8",
                "starts_at": begun,
                "ends_at": begun + later(rng, (60, 1800, 3600, 7200, 86_400)),
                "actor": rng.choice(ACTORS),
            }
            | ({"sections": rng.choice(([1], [2], [1, 3], [9]))} if rng.random() < 0.3 else {})
        )
        if rng.random() < 0.15:
            taken_back = {"type": "exclusion.revoked", "time": declared}
            drafts.append(identity | taken_back)
    return drafts


def _approval(rng: Random, scope: str, name: str, declared_at: Any) -> Draft:
    return {
        "type": "approval.given",
        "tenant_id": scope,
        "approves": name,
        "actor": rng.choice(ACTORS),
        "time": declared_at + timedelta(seconds=rng.choice((-1, 0, 3600))),
    }
