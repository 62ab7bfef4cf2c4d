"""``mailsla contract check`` and ``apply``: documents, their complaints, the default example."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from mailsla import schemas
from mailsla.schemas.contract import Contract, Profile, default_contract
from mailsla.schemas.indicators import INDICATORS
from mailsla.streams.cli.main import cli
from mailsla.streams.cli.support.contract_files import read_documents
from mailsla.streams.cli.support.errors import CheckFailed, CommandError

DEFAULT = Path(schemas.__file__).parent / "examples" / "contract.default.yaml"
GOOD = {"tenant_id": "acme", "version": 1, "effective_from": "2026-01-01"}


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(tmp_path, text, name="c.yaml"):
    _, problems = read_documents([written(tmp_path, name, text)])
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in problems]


def test_the_example_says_what_the_default_contract_says():
    (document,), problems = read_documents([DEFAULT])
    assert not problems
    default = default_contract("acme")
    assert document.contract.profile == default.profile
    assert [document.contract.term(name) for name in INDICATORS] == [
        default.term(name) for name in INDICATORS
    ]
    same = {"tenant_id", "version", "effective_from", "overrides"}
    assert document.contract.model_dump(exclude=same) == default.model_dump(exclude=same)


def test_the_example_leaves_nothing_out():
    written_out = yaml.safe_load(DEFAULT.read_text("utf-8"))
    assert set(written_out) == set(Contract.model_fields)
    assert list(written_out["profile"]) == list(Profile.model_fields)
    assert list(written_out["overrides"]) == list(INDICATORS)
    for override in written_out["overrides"].values():
        assert set(override) == {"target", "comparator", "remedy", "judged"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("one.json", json.dumps(GOOD)),
        ("list.json", json.dumps([GOOD, GOOD | {"version": 2}])),
        ("lines.json", json.dumps(GOOD) + "\n" + json.dumps(GOOD | {"version": 2})),
        ("one.yaml", "tenant_id: acme\nversion: 1\neffective_from: 2026-01-01\n"),
        ("two.yml", "---\n" + json.dumps(GOOD) + "\n---\n" + json.dumps(GOOD | {"tenant_id": "b"})),
    ],
)
def test_a_file_holds_one_or_several_documents(tmp_path, name, text):
    documents, problems = read_documents([written(tmp_path, name, text)])
    assert not problems
    assert len(documents) == (1 if name.startswith("one") else 2)
    assert documents[0].contract == Contract(**GOOD)


def test_figures_stay_exact_and_comparators_need_no_quotes_where_yaml_allows(tmp_path):
    text = json.dumps(GOOD)[1:-1].replace(", ", "\n").replace('"', "")
    text += (
        "\noverrides:\n"
        "  operations.billing_error_rate: {target: 0.00003, comparator: <=}\n"
        "  security.incidents: {target: 0, comparator: =}\n"
    )
    (document,), problems = read_documents([written(tmp_path, "c.yaml", text)])
    assert not problems
    rate = document.contract.term("operations.billing_error_rate")
    assert str(rate.target) in {"0.00003", "0.000030", "3E-5", "3e-05"}
    assert rate.target == INDICATORS[rate.indicator].target
    assert document.contract.term("security.incidents").judged


def test_what_is_published_is_the_document_as_written(tmp_path):
    (document,), _ = read_documents([written(tmp_path, "c.json", json.dumps(GOOD))])
    assert json.loads(document.value) == GOOD


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"timezone": "Mars/Base"}, "c.json, document 2, line 1, timezone: 'Mars/Base' is no IANA"),
        (
            {"overrides": {"latency.nap": {}}},
            "c.json, document 2, line 1, overrides: 'latency.nap' is no",
        ),
        (
            {"overrides": {"connectivity.ratio": {"comparator": "~"}}},
            "c.json, document 2, line 1, overrides.connectivity.ratio.comparator: not one of",
        ),
        (
            {"effective_to": "2025-01-01"},
            "c.json, document 2, line 1, effective_to: effective_to must be",
        ),
        ({"version": 1}, "c.json, document 2, line 1, version: version 1 of acme also stands in "),
        ({"misspelt": 1}, "c.json, document 2, line 1, misspelt: unknown field; remove it"),
    ],
)
def test_a_complaint_names_file_document_and_field(tmp_path, change, complaint):
    text = json.dumps([GOOD, GOOD | {"version": 2} | change])
    (found,) = problems_of(tmp_path, text, "c.json")
    assert found.startswith(complaint)


def test_every_complaint_comes_at_once_with_its_line(tmp_path):
    text = """\
tenant_id: acme
versoin: 1
effective_from: soon
profile:
  max_latency: 1800
overrides:
  connectivity.ratio:
    target: high
    comparator: "~"
"""
    found = problems_of(tmp_path, text)
    places = [one.removeprefix("c.yaml, document 1, line ").partition(":")[0] for one in found]
    assert sorted(places) == [
        "1, version",
        "2, versoin",
        "3, effective_from",
        "5, profile.max_latency",
        "8, overrides.connectivity.ratio.target",
        "9, overrides.connectivity.ratio.comparator",
    ]
    assert any("did you mean version?" in one for one in found)
    assert any("did you mean max_latency_s?" in one for one in found)


def test_the_lines_of_json_are_those_of_the_file(tmp_path):
    text = json.dumps(GOOD, indent=1) + "\n\n" + json.dumps(GOOD | {"version": "x"}, indent=1)
    (found,) = problems_of(tmp_path, text, "c.json")
    line = [n for n, one in enumerate(text.splitlines(), 1) if '"x"' in one]
    assert found.startswith(f"c.json, document 2, line {line[0]}, version: ")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("c.yaml", "", "c.yaml: holds no document"),
        ("c.yaml", "a: [1", "c.yaml: line 1, column"),
        ("c.yaml", "a: 1\na: 2", "c.yaml: line 2, column 1: 'a' stands here twice"),
        ("c.json", '{"a": 1, "a": 2}', "c.json: is not valid ('a' stands twice"),
        ("c.json", "{", "c.json: is not valid (Expecting"),
        ("c.yaml", "just text", "c.yaml, document 1, line 1: not a JSON object"),
        ("c.yaml", "!!python/object/apply:os.system [true]", "c.yaml: line 1"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_complaint(tmp_path, name, text, complaint):
    (found,) = problems_of(tmp_path, text, name)
    assert found.startswith(complaint)


def test_a_missing_file_is_one_complaint(tmp_path):
    _, (problem,) = read_documents([tmp_path / "none.yaml"])
    assert "No such file" in problem.reason


def test_check_lists_the_good_and_fails_for_the_bad(tmp_path):
    good = written(tmp_path, "good.json", json.dumps(GOOD))
    bad = written(tmp_path, "bad.json", json.dumps(GOOD | {"version": "x"}))
    fine = CliRunner().invoke(cli, ["contract", "check", str(good)])
    assert (fine.exit_code, fine.output.count("acme version 1")) == (0, 1)
    failed = CliRunner().invoke(cli, ["contract", "check", str(good), str(bad)])
    assert isinstance(failed.exception, CheckFailed)
    assert failed.exception.exit_code == 1
    assert "bad.json, document 1, line 1, version" in failed.stderr


def test_apply_stops_before_it_connects_when_one_document_is_bad(tmp_path):
    good = written(tmp_path, "good.json", json.dumps(GOOD))
    bad = written(tmp_path, "bad.yaml", "tenant_id: '*'\nversion: 1\neffective_from: 2026-01-01")
    environment = {"MAILSLA_KAFKA": "127.0.0.1:1"}
    answer = CliRunner().invoke(cli, ["contract", "apply", str(good), str(bad)], env=environment)
    assert isinstance(answer.exception, CommandError)
    assert str(answer.exception).startswith("nothing was published")
    assert answer.stdout == ""
