"""Scenes of a random history: pages, monitoring, cases, scans, backups, orders, support."""

from datetime import datetime, timedelta
from random import Random

from tests.reference.frame import Frame
from tests.reference.scenes_mail import Draft, later

DAY = timedelta(days=1)
JUST = timedelta(microseconds=1)


def pages(rng: Random, frame: Frame) -> list[Draft]:
    """A few page loads around the targets."""
    base = {
        "type": "page.loaded",
        "tenant_id": frame.tenant_or_platform(rng),
        "bandwidth": rng.choice(("narrowband", "broadband")),
    }
    loads = (0, 0.0005, 800, 9_999.999, 10_000, 10_000.001, 29_999.9995, 30_000, 30_001, 99_000)
    return [
        base | {"time": frame.moment(rng), "load_ms": rng.choice(loads)}
        for _ in range(rng.randint(1, 4))
    ]


def heartbeats(rng: Random, frame: Frame) -> list[Draft]:
    """A monitor that watches, sometimes for the whole month."""
    base = {
        "type": "monitor.heartbeat",
        "tenant_id": frame.tenant_or_platform(rng),
        "monitor": "m",
        "interval_s": rng.choice((60, 0.25, 86_400, 16 * 86_400.0)),
    }
    return [base | {"time": frame.moment(rng)} for _ in range(rng.randint(1, 3))]


def complaint(rng: Random, frame: Frame) -> list[Draft]:
    """A complaint, its answer and its result: in time, late or missing."""
    begun = frame.moment(rng)
    base = {"tenant_id": frame.tenant(rng), "case_id": f"c{rng.randrange(12)}"}
    origin = rng.choice(("own_domain", "own_domain", "own_domain", "foreign"))
    drafts = [base | {"type": "complaint.received", "time": begun, "origin": origin}]
    answers = ("complaint.responded", "complaint.result_notified")
    return drafts + [
        base | {"type": answer, "time": _answered(rng, frame, begun)}
        for answer in answers
        if rng.random() < 0.75
    ]


def listing(rng: Random, frame: Frame) -> list[Draft]:
    """A published list or a listing, with its answer."""
    begun = frame.moment(rng)
    opening, answer, name = rng.choice(
        (
            ("blocklist.published", "blocklist.processed", "list_id"),
            ("listing.detected", "listing.reported", "listing_id"),
        )
    )
    base = {"tenant_id": frame.tenant_or_platform(rng), name: f"l{rng.randrange(12)}"}
    drafts = [base | {"type": opening, "time": begun}]
    if rng.random() < 0.75:
        drafts.append(base | {"type": answer, "time": _answered(rng, frame, begun)})
    return drafts


def _answered(rng: Random, frame: Frame, begun: datetime) -> datetime:
    """Some time after: hours, days, or exactly at a local midnight."""
    midnights = [edge for edge in frame.edges if begun <= edge]
    if midnights and rng.random() < 0.3:
        return min(midnights) + rng.choice((-JUST, timedelta(0), JUST))
    return begun + timedelta(hours=rng.choice((-1, 1, 20, 30, 50, 80, 100, 200)))


def source(rng: Random, frame: Frame) -> list[Draft]:
    """An outside source, reported to some or all who must know."""
    begun = frame.moment(rng)
    base = {"tenant_id": frame.tenant_or_platform(rng), "case_id": f"s{rng.randrange(6)}"}
    drafts = [base | {"type": "source.confirmed", "time": begun, "address": "192.0.2.1"}]
    for name in ("association", "provider", "nsp"):
        if rng.random() < 0.8:
            told = {"type": "source.reported", "reported_to": name}
            drafts.append(base | told | {"time": begun + DAY})
    if rng.random() < 0.3:
        drafts.append(base | {"type": "source.blocked", "time": begun + 2 * DAY})
    return drafts


def definitions(rng: Random, frame: Frame) -> list[Draft]:
    """Updates every few days, from before the month until after it."""
    base = {
        "type": "definitions.updated",
        "tenant_id": frame.tenant_or_platform(rng),
        "engine": "av",
        "version": "1",
    }
    step = timedelta(days=rng.choice((3, 5, 7, 9)))
    time = frame.edges[0].replace(year=frame.month.year, month=frame.month.month, day=1) - 5 * DAY
    return [base | {"time": time + number * step} for number in range(rng.randint(1, 8))]


def outbreak(rng: Random, frame: Frame) -> list[Draft]:
    """An outbreak, over or not."""
    begun = frame.moment(rng)
    base = {"tenant_id": frame.tenant_or_platform(rng), "outbreak_id": f"o{rng.randrange(4)}"}
    drafts = [base | {"type": "outbreak.declared", "time": begun}]
    if rng.random() < 0.7:
        ended = begun + later(rng, (-1, 0, 0.000001, 3600, 86_400, 700_000))
        drafts.append(base | {"type": "outbreak.ended", "time": ended})
    if rng.random() < 0.4:
        update = {"type": "definitions.updated", "engine": "av", "version": "2"}
        drafts.append({"tenant_id": base["tenant_id"], "time": frame.moment(rng)} | update)
    return drafts


def scans(rng: Random, frame: Frame) -> list[Draft]:
    """A few scans of every kind."""
    tenant = frame.tenant(rng)
    drafts: list[Draft] = []
    for _ in range(rng.randint(1, 4)):
        scan: Draft = {
            "type": "message.scanned",
            "tenant_id": tenant,
            "source": rng.choice(("av1", "av2")),
            "time": frame.moment(rng),
            "message_id": f"q{rng.randrange(4)}",
            "mailbox": f"{rng.choice('ab')}@example.cn",
            "verdict": rng.choice(("clean", "infected", "infected", "error", "skipped")),
            "action": rng.choice(("none", "cleaned", "quarantined", "deleted", "tagged")),
            "policy": rng.choice(("clean", "detect", "off")),
        }
        for name in ("kept_original", "keep_original_policy"):
            if rng.random() < 0.5:
                scan[name] = rng.random() < 0.5
        if rng.random() < 0.6:
            scan["scan_ms"] = rng.choice((0, 0.0004, 0.0005, 3, 499.9999, 1200.25))
        drafts.append(scan)
    return drafts


def backups(rng: Random, frame: Frame) -> list[Draft]:
    """Backups nearly every day of the month."""
    tenant, missing = frame.tenant_or_platform(rng), rng.choice((0, 0.05, 0.5))
    every = rng.choice((1, 1, 3))
    begun = frame.edges[0].replace(year=frame.month.year, month=frame.month.month, day=1)
    drafts = []
    for day in range(-2, 32, every):
        if rng.random() < missing:
            continue
        time = begun + day * DAY + timedelta(seconds=rng.choice((0, 0, 3600, -1)))
        kind = "full" if day % 3 == 0 else rng.choice(("incremental", "differential", "full"))
        failed = rng.random() < 0.05
        draft = {"tenant_id": tenant, "backup_id": f"b{day}", "kind": kind, "time": time}
        drafts.append(
            draft | {"type": "backup.failed"}
            if failed
            else draft | {"type": "backup.completed", "started_at": time - timedelta(hours=1)}
        )
    return drafts


def retention(rng: Random, frame: Frame) -> list[Draft]:
    """Backups deleted and accounts purged, about when they may be."""
    gone = frame.moment(rng)
    nudge = rng.choice((-DAY, -JUST, timedelta(0), JUST, DAY))
    if rng.random() < 0.5:
        made = gone - timedelta(days=rng.choice((0, 27, 28, 29, 30, 31, 32))) + nudge
        return [
            {
                "type": "backup.deleted",
                "tenant_id": frame.tenant_or_platform(rng),
                "time": gone,
                "backup_id": f"b{rng.randrange(3)}",
                "completed_at": min(made, gone),
            }
        ]
    account = {"tenant_id": frame.tenant(rng), "account": f"u{rng.randrange(3)}@example.cn"}
    locked = gone - timedelta(days=rng.choice((30, 31, 89, 90, 91, 92))) + nudge
    purged = {"type": "account.purged", "time": gone, "locked_at": locked}
    return [account | {"type": "account.locked", "time": locked}, account | purged]


def charges(rng: Random, frame: Frame) -> list[Draft]:
    """Charges of the month and of another, some wrong."""
    drafts: list[Draft] = []
    for tenant in (*frame.tenants, "charged-only"):
        if rng.random() < 0.3:
            continue
        month = f"{frame.month:%Y-%m}" if rng.random() < 0.8 else f"{frame.month.year - 1}-12"
        base = {"tenant_id": tenant, "charge_id": f"h{rng.randrange(9)}", "billing_month": month}
        time = frame.moment(rng) + timedelta(days=rng.choice((0, 0, 40)))
        charged = {"type": "customer.charged", "time": time, "amount": "12.5", "currency": "CNY"}
        if rng.random() < 0.85:
            drafts.append(base | charged)
        if rng.random() < 0.3:
            drafts.append(base | {"type": "billing.error_confirmed", "time": time + DAY})
    return drafts


def order(rng: Random, frame: Frame) -> list[Draft]:
    """An order paid and opened: in time, to the second, late or never."""
    paid = frame.moment(rng) - timedelta(hours=rng.choice((0, 1, 24, 48, 72)))
    base = {"tenant_id": frame.tenant(rng), "order_id": f"r{rng.randrange(8)}"}
    kind = {"domain_kind": rng.choice(("own", "new"))}
    drafts = [base | kind | {"type": "payment.confirmed", "time": paid}]
    for _ in range(rng.choice((0, 1, 1, 2))):
        done = (
            paid + timedelta(hours=rng.choice((1, 24, 48, 72))) + rng.choice((-JUST, 0 * DAY, JUST))
        )
        opened, notified = rng.choice(((done, paid), (paid, done), (done, done)))
        drafts.append(base | {"type": "service.opened", "time": opened, "notified_at": notified})
    return drafts


def channels(rng: Random, frame: Frame) -> list[Draft]:
    """Service channels that go down and come back."""
    tenant = frame.tenant_or_platform(rng)
    drafts: list[Draft] = []
    time = frame.moment(rng)
    for _ in range(rng.randint(1, 5)):
        change = {"tenant_id": tenant, "channel": rng.choice(("phone", "mail", "web"))}
        drafts.append(change | {"type": rng.choice(("channel.up", "channel.down")), "time": time})
        time += later(rng)
    if rng.random() < 0.2:
        ticket = {"type": "ticket.opened", "ticket_id": "t", "channel": "web"}
        drafts.append(ticket | {"tenant_id": frame.tenant(rng), "time": time})
    return drafts


def security(rng: Random, frame: Frame) -> list[Draft]:
    """An intrusion."""
    return [
        {
            "type": "security.incident",
            "tenant_id": frame.tenant(rng),
            "time": frame.moment(rng),
            "incident_id": f"n{rng.randrange(4)}",
            "kind": "login",
            "severity": "high",
        }
    ]
