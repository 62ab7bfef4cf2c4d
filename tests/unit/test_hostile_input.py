"""Text that means harm: bounds on what people write in files, nothing that steers a terminal."""

import json
import re
import stat
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mailsla.schemas.codec.printable import printable
from mailsla.schemas.codec.yaml_text import load_yaml
from mailsla.streams.cli.main import cli
from mailsla.streams.cli.support.contract_files import read_documents
from mailsla.streams.runtime.faust_app.application import build_app
from mailsla.streams.runtime.kafka.groups import SINKS_GROUP
from mailsla.streams.settings import ConfigurationError, Settings, load

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SOON_S = 3.0
"""Far more than any of these takes; the attacks took minutes or all memory."""
ESC, BIDI = "\x1b]0;owned\x07", "\u202e"


def bomb(levels):
    lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(['a0: &a0 ["x", "x"]', *lines])


def merge_bomb(levels):
    lines = [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, levels)]
    return "\n".join(["a0: &a0 {k: 1}", *lines])


ATTACKS = {
    "aliases": (bomb(12), "unfolds to more than"),
    "merges": (merge_bomb(12), "unfolds to more than"),
    "itself": ("a: &a [*a]", "holds itself"),
    "depth": ("[" * 5_000 + "]" * 5_000, "nested deeper"),
    "deep mappings": ("\n".join(f"{' ' * n}a:" for n in range(200)), "nested deeper"),
    "twice": ("a: 1\na: 2", "stands here twice"),
    "a list as key": ("? [a]\n: 1", "cannot be a key"),
    "code": ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_yaml_attack_is_refused_soon(name):
    text, reason = ATTACKS[name]
    began = time.process_time()
    with pytest.raises(yaml.YAMLError, match=reason):
        list(load_yaml(text))
    assert time.process_time() - began < SOON_S


def test_modest_aliases_and_merges_are_read():
    text = "base: &b {a: 1, b: 2}\none: {<<: *b, b: 3}\ntwo: [*b, *b]\n"
    base = {"a": 1, "b": 2}
    assert list(load_yaml(text)) == [{"base": base, "one": {"a": 1, "b": 3}, "two": [base, base]}]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("yaml", bomb(12)),
        ("yaml", "[" * 100_000),
        ("json", "[" * 100_000 + "]" * 100_000),
        ("json", json.dumps({"a": 1}) * 100_000),
        ("json", "{" + ", ".join(f'"k{n}": 1' for n in range(200_000)) + ', "k0": 2}'),
        ("json", '{"a": ' * 50_000 + "1" + "}" * 50_000),
        ("json", "1" * 100_000),
        ("yaml", "# " + "x" * 5_000_000),
    ],
)
def test_a_contract_file_that_means_harm_is_a_problem_soon(tmp_path, suffix, text):
    path = tmp_path / f"contract.{suffix}"
    path.write_text(text)
    began = time.process_time()
    documents, problems = read_documents([path])
    assert not documents
    assert problems
    assert time.process_time() - began < 3 * SOON_S


@given(st.text())
def test_what_is_shown_holds_nothing_that_steers_and_good_text_stays(text):
    shown = printable(text)
    shown.encode("utf-8")
    code_points = {ord(character) for character in shown}
    assert not code_points & {*range(10), *range(11, 32), *range(127, 160)}
    assert not code_points & {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    assert printable(shown) == shown


def test_chinese_with_wide_and_unbreakable_spaces_is_shown_as_it_is():
    text = "邮件\u3000服务\u00a0协议 ≥ 99.9 %"
    assert printable(text) == text


def test_contract_check_cannot_steer_the_terminal(tmp_path):
    path = tmp_path / f"c{BIDI}.yaml"
    bad = {"tenant_id": ESC, "version": 1, "effective_from": ESC, "timezone": f"X{BIDI}"}
    path.write_text(json.dumps(bad))
    done = CliRunner().invoke(cli, ["contract", "check", str(path)])
    assert done.exit_code == 1
    shown = done.stdout + done.stderr
    assert not set(shown) & {"\x1b", "\x07", BIDI}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kafka: h:1\nkafka: h:2\n", "stands here twice"),
        ("kafka_paswd: x\n", r"unknown setting kafka_paswd; did you mean kafka_password\?"),
        ("- a\n", "holds no settings"),
        (bomb(12), "unfolds to more than"),
        ("{", "is not valid YAML"),
    ],
)
def test_a_configuration_file_is_read_with_the_same_care(tmp_path, monkeypatch, text, says):
    path = tmp_path / "mailsla.yaml"
    path.write_text(text)
    monkeypatch.setenv("MAILSLA_CONFIG", str(path))
    with pytest.raises(ConfigurationError, match=says):
        load()


def test_a_misspelt_variable_is_refused_and_a_stranger_is_none_of_ours(monkeypatch):
    monkeypatch.setenv("MAILSLA_SOMETHING_ELSE_ENTIRELY", "1")
    load()
    monkeypatch.setenv("MAILSLA_CHECKPOINTS_S", "1")
    with pytest.raises(ConfigurationError, match=r"did you mean MAILSLA_CHECKPOINT_S\?"):
        load()


def test_a_worker_s_directory_is_its_own_under_a_name_nobody_can_prepare(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    trap = tmp_path / "elsewhere"
    trap.mkdir()
    for name in (SINKS_GROUP, f"{SINKS_GROUP}-", f"{SINKS_GROUP}-data"):
        (tmp_path / name).symlink_to(trap)
    made = [Path(build_app(SINKS_GROUP, Settings(), False).conf.datadir) for _ in range(2)]
    assert len(set(made)) == 2
    for path in made:
        assert path.parent == tmp_path
        assert not path.is_symlink()
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert not list(trap.iterdir())


def test_nothing_is_written_to_a_fixed_place_of_the_temporary_folder():
    for package in ("schemas", "sinks", "streams"):
        for path in (ROOT / package).rglob("*.py"):
            assert not re.search(r"""["']/(var/)?tmp|gettempdir|mktemp\(""", path.read_text()), path
