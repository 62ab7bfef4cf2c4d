"""Section 2 reads exclusions by the version of the month or its part, live and in months before."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from mailsla.schemas.contract import Contract
from mailsla.streams.time.calendar import Month
from tests.live_run import LiveRun, assessments, contract_record
from tests.reference.log import TOPIC_OF

OCTOBER = datetime(2026, 10, 20, 4, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 10, 4, tzinfo=UTC)
STRICT = {"approval": ["exclusion"]}


def contract(version, first, **profile):
    fields = {"tenant_id": "a", "version": version, "effective_from": first}
    return contract_record(Contract.model_validate(fields | {"profile": profile}))


def event(id_, type_, when, **fields):
    head = {"id": id_, "source": "s", "type": type_, "tenant_id": "a", "time": when.isoformat()}
    return TOPIC_OF[type_], b"a", orjson.dumps(head | fields)


def excused(number, begin):
    """An exclusion of an hour that nobody approved, and a slow message within it."""
    end = begin + timedelta(hours=1)
    yield event(
        f"x{number}",
        "exclusion.declared",
        begin,
        exclusion_id=f"x{number}",
        code="force_majeure",
        starts_at=begin.isoformat(),
        ends_at=end.isoformat(),
    )
    yield event(
        f"m{number}",
        "message.delivered",
        end - timedelta(minutes=1),
        accepted_at=(begin - timedelta(hours=1)).isoformat(),
        message_id=f"m{number}",
        recipient="r@example.org",
        direction="inbound",
    )


def lived(versions, mail, last):
    """A run to which the second version comes before all mail, or after half of it."""
    run = LiveRun()
    run.feed([*versions, *mail] if last else [versions[0], *mail[:2]])
    if not last:
        run.checkpoint()
        run.feed([versions[1], *mail[2:]])
    run.checkpoint()
    run.restart()
    return run


def exceedances(run, month):
    found = assessments(run.task, "a", Month.parse(month), 0)
    return next(one for one in found if one.measure.indicator == "latency.exceedances")


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize(
    ("first", "second", "october", "november"), [({}, STRICT, 0, 1), (STRICT, {}, 1, 0)]
)
def test_each_month_reads_exclusions_by_its_own_version(first, second, october, november, last):
    versions = [contract(1, "2026-09-01", **first), contract(2, "2026-11-01", **second)]
    run = lived(versions, [*excused(1, OCTOBER), *excused(2, NOVEMBER)], last)
    found = {month: exceedances(run, month).measure.observed for month in ("2026-10", "2026-11")}
    assert found == {"2026-10": october, "2026-11": november}


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize(
    ("first", "second", "parts", "whole"), [({}, STRICT, [0, 1], 2), (STRICT, {}, [1, 0], 0)]
)
def test_each_part_of_a_month_reads_exclusions_by_its_own_version(
    first, second, parts, whole, last
):
    """The figure of the whole month is read by the version that governs it."""
    versions = [contract(1, "2026-09-01", **first), contract(2, "2026-10-15", **second)]
    mail = [*excused(1, OCTOBER - timedelta(days=10)), *excused(2, OCTOBER)]
    found = exceedances(lived(versions, mail, last), "2026-10")
    assert [one.measure.observed for one in found.parts] == parts
    assert found.measure.observed == whole
