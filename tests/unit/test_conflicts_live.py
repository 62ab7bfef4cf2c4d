"""An event that comes again under its id with other content: the first that landed counts."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from mailsla.schemas.facts.lines import encode_fact, fact_of
from mailsla.schemas.topics import DEAD_LETTERS
from mailsla.streams.live.state.landed import FactLanding, LandedEvents
from tests.live_run import LiveRun
from tests.reference.log import TOPIC_OF

START = datetime(2026, 9, 10, 4, tzinfo=UTC)
MONTH = timedelta(days=30)


def scanned(when, verdict="skipped", tenant="a", id_="s1", **fields):
    head = {"id": id_, "source": "av", "type": "message.scanned", "tenant_id": tenant}
    scan = {"message_id": "m", "mailbox": "b", "action": "none", "policy": "clean"}
    event = head | scan | {"verdict": verdict, "time": when.isoformat()} | fields
    return TOPIC_OF["message.scanned"], tenant.encode(), orjson.dumps(event)


def letters(run):
    return [orjson.loads(each.value) for each in run.told if each.topic == DEAD_LETTERS.name]


def unscanned(run):
    run.pass_time(30)
    return {
        (tenant, month): state.observed
        for (tenant, indicator, month), state in run.status.items()
        if indicator == "antivirus.unscanned"
    }


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("later", [timedelta(), MONTH])
def test_the_first_counts_and_the_other_is_a_dead_letter_that_names_what_differs(later, restarts):
    run = LiveRun()
    first = scanned(START)
    other = scanned(START + later, "error", action="quarantined", tenant="a")
    run.feed([first, scanned(START + later, "clean", id_="s2")])
    run.checkpoint()
    if restarts:
        run.restart()
    run.feed([first, other, first])
    assert unscanned(run)["a", "2026-09"] == 1
    assert sum(value or 0 for value in unscanned(run).values()) == 1
    (letter,) = letters(run)
    assert letter["reason"] == "conflict"
    assert letter["field"].split(", ") == [*(["time"] if later else []), "verdict", "action"]
    assert b64decode(letter["value_b64"]) == other[2]


def test_the_first_counts_whosever_the_other_is():
    run = LiveRun()
    run.feed([scanned(START), scanned(START, tenant="b"), scanned(START, "clean", "b", "s3")])
    found = unscanned(run)
    assert (found["a", "2026-09"], found["b", "2026-09"]) == (1, 0)
    assert [(each["reason"], each["field"]) for each in letters(run)] == [("conflict", "tenant_id")]


def dispatched(id_, took_s, accepted=START):
    event = {
        "id": id_, "source": "mx", "type": "message.dispatched", "tenant_id": "a",
        "time": (accepted + timedelta(seconds=took_s)).isoformat(), "message_id": "m",
        "recipient": "r@example.org", "direction": "outbound", "accepted_at": accepted.isoformat(),
    }  # fmt: skip
    return TOPIC_OF["message.dispatched"], b"a", orjson.dumps(event)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("restarts", [False, True])
def test_the_event_of_a_message_that_comes_again_with_an_earlier_finish_changes_nothing(
    restarts, apart
):
    run, first = LiveRun(), dispatched("d1", 100)
    others = [dispatched("d1", 10), dispatched("d1", 1, START + timedelta(days=1)), first]
    run.feed([first] if apart or restarts else [first, *others])
    run.checkpoint()
    if restarts:
        run.restart()
    run.feed(others)
    run.pass_time(30)
    assert run.status["a", "latency.send.mean", "2026-09"].observed == 100
    run.feed([dispatched("d2", 40)])  # another event of the message, and an earlier one
    run.pass_time(30)
    assert run.status["a", "latency.send.mean", "2026-09"].observed == 40


def test_what_has_landed_is_remembered_until_it_is_forgotten():
    landed = LandedEvents(len)

    def take(number, **fields):
        given = {"type": "ticket.opened", "source": "s", "id": str(number), "time": number}
        document = given | {"tenant_id": "a", "ticket_id": "t", "channel": "web"} | fields
        return landed.take(fact := fact_of(document), encode_fact(fact))

    assert all(take(number) == FactLanding(True) for number in range(20_000))
    assert all(take(number) == FactLanding(False) for number in range(20_000)), "the same again"
    landed.forget(15_000)
    assert take(15_000, channel="mail", ticket_id="u") == FactLanding(
        False, ("channel", "ticket_id")
    )
    assert take(14_999, channel="mail") == FactLanding(True)
