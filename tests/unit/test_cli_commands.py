"""The command line without a stack: help that teaches, wrong use in one sentence, exit codes."""

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from mailsla.schemas import compiled
from mailsla.streams.cli import main as command_line
from mailsla.streams.cli.main import cli
from mailsla.streams.cli.output.clickhouse_output import cell
from mailsla.streams.cli.support.common import console

pytestmark = pytest.mark.slow

NOWHERE = {"MAILSLA_KAFKA": "127.0.0.1:1", "MAILSLA_CLICKHOUSE": "http://127.0.0.1:1"}
OWN = ("contract", "dead-letters", "doctor", "exclude", "incident", "schemas")


def commands(group=cli, path=()):
    """Every command and subcommand with its path."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = dict(commands())


def mailsla(monkeypatch, capsys, *arguments, env=NOWHERE):
    """Run the program as a shell would see it: exit code, stdout, stderr."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MAILSLA_STATE_FILE", raising=False)
    monkeypatch.setattr(sys, "argv", ["mailsla", *arguments])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
        raise SystemExit(0)
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself(path):
    answer = CliRunner().invoke(cli, [*path, "--help"])
    assert answer.exit_code == 0
    assert ALL[path].help
    assert answer.output.startswith("Usage: ")


@pytest.mark.parametrize("path", [p for p in ALL if p[0] in OWN], ids=" ".join)
def test_the_help_of_an_operator_s_command_shows_an_example(path):
    answer = CliRunner().invoke(cli, [*path, "--help"])
    assert "Example" in answer.output
    assert f"  mailsla {path[0]}" in answer.output


def test_the_examples_in_the_help_name_options_that_exist():
    for path, command in ALL.items():
        if path[0] not in OWN or isinstance(command, click.Group):
            continue
        known = {option for parameter in command.params for option in parameter.opts}
        used = {word for word in (command.help or "").split() if word.startswith("--")}
        assert used <= known | {"--offset"}, path


FROM, TO = "2026-10-03T02:00:00+08:00", "2026-10-03T02:40:00+08:00"
DECLARE = ("exclude", "declare", "--tenant", "acme", "--code", "carrier")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nonsense",), "No such command"),
        (("contract", "apply"), "Missing argument"),
        (("contract", "show"), "Missing argument"),
        ((*DECLARE, "--to", TO), "Missing option '--from'"),
        ((*DECLARE, "--from", "2026-10-03T02:00:00", "--to", TO), "add one, such as Z or +08:00"),
        ((*DECLARE, "--from", "yesterday", "--to", TO), "write it like 2026-10-01T08"),
        ((*DECLARE, "--from", TO, "--to", FROM), "--to is not after --from"),
        ((*DECLARE, "--from", FROM, "--to", FROM), "--to is not after --from"),
        ((*DECLARE, "--from", FROM, "--to", TO, "--sections", "1,12"), "numbers 1 to 9 as 1,2"),
        (("exclude", "declare", "--tenant", "a b", "--code", "carrier", "--from", FROM, "--to", TO),
         "not a tenant id"),
        (("exclude", "declare", "--tenant", "a", "--code", "rain", "--from", FROM, "--to", TO),
         "'rain' is not one of"),
        (("incident", "open", "--tenant", "a", "--kind", "quake"), "'quake' is not one of"),
        (("incident", "open", "--tenant", "a", "--kind", "fault", "--at", "2199-01-01T00:00:00Z"),
         "ahead of the broker clock"),
        (("incident", "close", "--tenant", "acme"), "Missing option '--id'"),
        (("dead-letters", "replay", "--ids", "mail.mta-17"), "copy it from the list"),
        (("dead-letters", "list", "--limit", "0"), "x>=1"),
        (("schemas", "export", "/dev/null/x"), "name another directory"),
        (("incident", "close", "--tenant", "acme", "--id", "1", "--unchecked"),
         "no Kafka broker answers at"),
        (("incident", "close", "--tenant", "acme", "--id", "1"), "skip the check with --unchecked"),
        (("incident", "open", "--tenant", "acme", "--kind", "fault"), "with --new-tenant"),
        (("void", "--tenant", "acme", "--topic", "mail.ops", "--source", "s", "--id", "1",
          "--reason", "r", "--new-tenant"), "skip the check with --unchecked"),
        (("close", "2026-10"), "no use of ClickHouse (no answer); start one with: mailsla up"),
        (("audit", "2026-10"), "no use of ClickHouse"),
        (("explain", "acme", "connectivity.ratio", "2026-10"), "no use of ClickHouse"),
        (("explain", "acme", "conectivity.ratio", "2026-10"), "did you mean connectivity.ratio?"),
        (("migrate",), "no use of ClickHouse"),
        (("simulate", "--month", "2026-10", "--messages", "1"), "the Kafka broker does not answer"),
        (("watch", "--indicator", "latency.exceedence"), "did you mean latency.exceedances?"),
        (("contract", "show", "acme"), "ClickHouse at http://127.0.0.1:1"),
        (("exclude", "list"), "set MAILSLA_CLICKHOUSE"),
        (("dead-letters", "replay"), "set MAILSLA_CLICKHOUSE"),
    ],
)  # fmt: skip
def test_wrong_use_exits_2_with_the_remedy_and_without_a_traceback(
    monkeypatch, capsys, arguments, says
):
    monkeypatch.setattr("mailsla.streams.cli.support.kafka_publish._CONNECT_MS", 500)
    code, out, err = mailsla(monkeypatch, capsys, *arguments)
    assert code == 2
    assert out == ""
    assert says in " ".join(err.split())
    assert "Traceback" not in err


def test_the_installed_program_does_the_same():
    done = subprocess.run(
        [sys.executable, "-m", "mailsla.streams.cli.main", "incident", "open"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Missing option '--tenant'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("MAILSLA_PARTITION", "4", "did you mean MAILSLA_PARTITIONS?"),
        ("MAILSLA_CONFIG", "kafak: 127.0.0.1:1\n", "unknown setting kafak; did you mean kafka?"),
        ("MAILSLA_CONFIG", "colour: red\n", "unknown setting colour; mailsla config lists all"),
        ("MAILSLA_CONFIG", "a: [", "is not valid YAML at line"),
        ("MAILSLA_CONFIG", "just text", "holds no settings"),
    ],
)
def test_a_setting_that_does_not_exist_is_refused(
    monkeypatch, capsys, tmp_path, variable, text, says
):
    path = tmp_path / "mailsla.yaml"
    path.write_text(text)
    value = str(path) if variable == "MAILSLA_CONFIG" else text
    code, _, err = mailsla(monkeypatch, capsys, "config", env={variable: value})
    assert code == 2
    assert says in err


def test_config_prints_no_secret(monkeypatch, capsys):
    secrets = {"MAILSLA_CLICKHOUSE_PASSWORD": "hunter2", "MAILSLA_KAFKA_PASSWORD": "hunter3"}
    code, out, err = mailsla(monkeypatch, capsys, "config", env=NOWHERE | secrets)
    assert code == 0
    assert "(set)" in out
    assert "hunter" not in out + err


def test_doctor_without_anything_running_names_every_remedy_and_exits_1(monkeypatch, capsys):
    secret = {"MAILSLA_CLICKHOUSE_PASSWORD": "hunter2"}
    code, out, err = mailsla(monkeypatch, capsys, "doctor", "--json", env=NOWHERE | secret)
    states = {finding["check"]: finding["state"] for finding in json.loads(out)}
    assert code == 1
    assert states == {
        "configuration": "ok",
        "security": "note",
        "broker": "wrong",
        "topics": "skipped",
        "consumer groups": "skipped",
        "clickhouse": "wrong",
        "schema": "skipped",
        "retention": "skipped",
        "clock": "skipped",
        "logins": "skipped",
        "unreadable batches": "skipped",
        "partitioning": "skipped",
        "quarantine": "skipped",
        "quotas": "skipped",
        "conflicts": "skipped",
        "calendars": "skipped",
        "tenants": "skipped",
        "voided mail": "skipped",
        "sources": "skipped",
        "fast path": "note" if compiled.texts is None else "ok",
    }
    assert "mailsla up" in out
    assert "hunter" not in out + err


def test_doctor_reports_a_wrong_configuration(monkeypatch, capsys):
    code, out, _ = mailsla(
        monkeypatch, capsys, "doctor", env={"MAILSLA_CLICKHOUSE": "http://u:hunter2@127.0.0.1:1"}
    )
    assert code == 1
    assert out.startswith("wrong ")
    assert "MAILSLA_CLICKHOUSE_USER" in out
    assert "hunter2" not in out


def test_schemas_export_writes_one_schema_per_type(monkeypatch, capsys, tmp_path):
    code, out, _ = mailsla(monkeypatch, capsys, "schemas", "export", str(tmp_path / "made"))
    written = sorted((tmp_path / "made").glob("*.json"))
    assert code == 0
    assert out.startswith(f"{len(written)} schemas in ")
    assert {"mail.ops.incident.opened.json", "sla.contracts.json", "sla.breaches.json"} <= {
        path.name for path in written
    }
    assert all(json.loads(path.read_text())["$schema"] for path in written)


def test_a_cell_cannot_steer_the_terminal():
    assert cell("a\x1b[31mred\nb [bold]c[/]").plain == r"a\x1b[31mred\nb [bold]c[/]"
    assert not cell("[bold]c[/]").spans


def test_where_it_is_no_terminal_a_sentence_stays_one_line(capsys):
    sentence = "word " * 60
    console(stderr=True).print(sentence)
    assert capsys.readouterr().err == f"{sentence}\n"
