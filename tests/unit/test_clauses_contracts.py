"""Which contract version governs a month, and its active part (contract, partial service)."""

from datetime import date

import pytest

from mailsla.schemas.contract import Contract
from mailsla.streams.clauses.model.contracts import governing, in_force, month_at
from mailsla.streams.time.calendar import Month
from tests.unit.clauses_scene import TENANT, at, contract

OCTOBER = Month(2026, 10)


def version(number: int, first: date, end: date | None = None, **fields: object) -> Contract:
    return contract(version=number, effective_from=first, effective_to=end, **fields)


@pytest.mark.parametrize(
    ("versions", "governs", "first", "end"),
    [
        pytest.param([], 0, 1, 32, id="no contract: the default one, all month"),
        pytest.param([version(1, date(2026, 11, 1))], 0, 1, 32, id="not yet in force"),
        pytest.param(
            [version(1, date(2026, 1, 1), date(2026, 10, 1))], 0, 1, 32, id="over by the 1st"
        ),
        pytest.param([version(1, date(2026, 10, 31))], 1, 31, 32, id="last day only"),
        pytest.param(
            [version(1, date(2026, 1, 1), date(2026, 10, 2))], 1, 1, 2, id="first day only"
        ),
        pytest.param(
            [version(2, date(2026, 10, 15)), version(1, date(2026, 1, 1))],
            2, 1, 32, id="changed in mid-month",
        ),
        pytest.param(
            [version(2, date(2026, 10, 5), date(2026, 10, 20)), version(1, date(2026, 1, 1))],
            2, 1, 20, id="a later version ends the earlier one for good",
        ),
        pytest.param(
            [version(1, date(2026, 10, 3), date(2026, 10, 6)), version(2, date(2026, 10, 20))],
            2, 3, 32, id="a gap is bridged",
        ),
        pytest.param(
            [version(3, date(2026, 10, 3)), version(4, date(2026, 10, 3), date(2026, 10, 9))],
            4, 3, 9, id="same first day: the higher number",
        ),
    ],
)  # fmt: skip
def test_the_version_in_force_at_the_end_judges_the_whole_active_part(
    versions: list[Contract], governs: int, first: int, end: int
) -> None:
    governed = governing(TENANT, versions, OCTOBER)
    assert governed.contract.version == governs
    assert governed.contract.tenant_id == TENANT
    assert governed.period.start_us == at("2026-10-01") + (first - 1) * 86_400_000_000
    assert governed.period.end_us == at("2026-10-01") + (end - 1) * 86_400_000_000


def test_a_version_that_is_replaced_on_its_first_day_is_never_in_force() -> None:
    forces = in_force([version(1, date(2026, 10, 3)), version(2, date(2026, 10, 3))])
    assert [each.contract.version for each in forces] == [2]


def test_unbroken_service_reaches_back_over_versions() -> None:
    versions = [
        version(1, date(2026, 3, 9), date(2026, 5, 1)),
        version(2, date(2026, 9, 28), date(2026, 10, 1)),
        version(3, date(2026, 10, 1)),
    ]
    period = governing(TENANT, versions, OCTOBER).period
    assert period.served_from == date(2026, 9, 28)
    assert period.year_from == date(2026, 3, 9)
    assert governing(TENANT, versions, Month(2027, 1)).period.year_from == date(2027, 1, 1)


def test_the_zone_of_the_governing_version_cuts_the_month() -> None:
    versions = [version(1, date(2026, 1, 1), timezone="Europe/Berlin")]
    period = governing(TENANT, versions, OCTOBER).period
    assert period.start_us == at("2026-10-01", "Europe/Berlin")
    assert period.end_us == at("2026-11-01", "Europe/Berlin")


def test_an_instant_belongs_to_the_month_of_the_zone_then_in_force() -> None:
    forces = in_force([version(1, date(2026, 11, 1), timezone="America/New_York")])
    assert month_at(forces, at("2026-11-01 00:00")) == Month(2026, 11)  # before it: the default
    assert month_at(forces, at("2026-12-01 00:00")) == Month(2026, 11)
    assert month_at(forces, at("2026-12-01 00:00", "America/New_York")) == Month(2026, 12)
    assert month_at([], at("2026-10-31 23:59:59")) == OCTOBER
