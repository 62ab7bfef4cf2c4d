"""The project's own files tell the truth: containers, build, README, held against the program."""

import re
import shlex
import tomllib
from copy import copy
from pathlib import Path

import click
import pytest
import yaml
from setuptools import find_packages

from mailsla.sinks.embedded.brokers.kafka_jars import KAFKA_VERSION
from mailsla.streams.cli.main import cli
from mailsla.streams.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCUMENTS = {
    path: path.read_text()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md")))
}
LONGEST_README = 350
"""Lines: what a user needs first; the rest stands in docs/."""

# Read outside of `Settings`: where to find settings.
OTHER_VARIABLES = {"MAILSLA_CONFIG", "MAILSLA_STATE_FILE"}
OWN_SERVICES = [n for n, s in COMPOSE["services"].items() if s["image"] == "mailsla"]


def known_variables():
    """Every MAILSLA_ variable the program reads."""
    return {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | OTHER_VARIABLES


def resolve(words):
    """Parse a command line the way the program would; fails on anything it does not know."""
    command, rest, context = cli, list(words), None
    while isinstance(command, click.Group):
        context = click.Context(command, info_name=command.name, parent=context)
        _, rest, _ = command.make_parser(context).parse_args(rest)
        assert rest, f"{command.name} needs a command"
        found = command.get_command(context, rest[0])
        assert found is not None, f"there is no command {rest[0]}"
        command, rest = found, rest[1:]
    without_files(command).make_context(command.name, rest, parent=context)


def without_files(command):
    """A copy that takes any text for a file: whether it is there is not asked here."""
    params = [copy(parameter) for parameter in command.params]
    for parameter in params:
        if isinstance(parameter.type, click.Path):
            parameter.type = click.STRING
    command = copy(command)
    command.params = params
    return command


def documented_commands():
    """Every `mailsla …` line of the documents' shell blocks, continuation lines joined."""
    for text in DOCUMENTS.values():
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("mailsla "):
                    yield shlex.split(line, comments=True)[1:]


def test_the_readme_shows_real_commands():
    lines = list(documented_commands())
    assert len(lines) >= 8
    for words in lines:
        resolve(words)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_real_commands_and_variables(path):
    for name in re.findall(r"`mailsla ([a-z-]+)", DOCUMENTS[path]):
        assert name in cli.list_commands(None), f"there is no mailsla {name}"
    assert set(re.findall(r"MAILSLA_[A-Z_]*[A-Z]", DOCUMENTS[path])) <= known_variables()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_link_to_what_exists(path):
    for target, heading in re.findall(r"\]\(([^)#:]*)(?:#([\w-]+))?\)", DOCUMENTS[path]):
        linked = path.parent / target if target else path
        assert linked.exists(), f"links to {target}"
        assert not heading or heading in headings(linked), f"links to {target}#{heading}"
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"`make ([a-z]+)`", DOCUMENTS[path]):
        assert target in targets, f"names make {target}"


def headings(path):
    """The anchors of a document's headings."""
    found = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in found}


def test_the_readme_is_short_and_leads_everywhere():
    readme = DOCUMENTS[ROOT / "README.md"]
    assert readme.count("\n") < LONGEST_README
    for path in DOCUMENTS:
        name = str(path.relative_to(ROOT))
        entered = name in readme or name in DOCUMENTS[ROOT / "CONTRIBUTING.md"]
        assert entered or name == "README.md", f"nothing leads to {name}"


@pytest.mark.parametrize("name", OWN_SERVICES)
def test_every_service_runs_a_real_command(name):
    resolve(COMPOSE["services"][name]["command"])


def test_every_variable_of_the_services_is_a_setting():
    for name in OWN_SERVICES:
        environment = COMPOSE["services"][name]["environment"]
        assert set(environment) <= known_variables()
        values = {key.removeprefix(PREFIX).lower(): value for key, value in environment.items()}
        settings = Settings(**values)
        assert settings.kafka == "kafka:19092"
        assert settings.clickhouse == "http://clickhouse:8123"


def test_workers_start_after_topics_and_tables_and_come_back():
    services = COMPOSE["services"]
    for kind in ("streams", "sinks"):
        assert services[kind]["command"] == ["worker", kind]
        assert services[kind]["depends_on"] == {
            "setup": {"condition": "service_completed_successfully"}
        }
        assert services[kind]["restart"] == "unless-stopped"
    assert services["setup"]["command"] == ["migrate"]
    assert services["topics"]["command"] == ["topics"]
    for job in ("setup", "topics"):
        assert "restart" not in services[job], "a job that has ended stays ended"
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed], f"{name} waits for {needed}"


def test_no_port_leaves_the_machine():
    ports = [port for s in COMPOSE["services"].values() for port in s.get("ports", ())]
    assert len(ports) == 5
    for port in ports:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_no_password_is_in_a_file():
    secrets = [
        (key, str(value))
        for service in COMPOSE["services"].values()
        for key, value in service.get("environment", {}).items()
        if re.search(r"PASSWORD|SECRET|TOKEN", key)
    ]
    assert secrets
    for key, value in secrets:
        assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), f"{key} has to be required"
    assert not re.search(r"PASSWORD|SECRET|TOKEN", DOCKERFILE)


def test_the_containers_run_the_versions_that_are_tested():
    images = {name: s["image"] for name, s in COMPOSE["services"].items()}
    assert images["kafka"] == f"apache/kafka:{KAFKA_VERSION}"
    embedded = " ".join(PROJECT["project"]["optional-dependencies"]["embedded"])
    version = re.search(r"chdb-core==(\d+\.\d+)\.", embedded)
    assert images["clickhouse"] == f"clickhouse/clickhouse-server:{version[1]}"


def test_the_image_runs_the_program_as_nobody_special():
    instructions = re.findall(r"^([A-Z]+) (.*)", DOCKERFILE, re.MULTILINE)
    users = [value for name, value in instructions if name == "USER"]
    assert users
    assert users[-1] not in {"root", "0"}
    assert ("ENTRYPOINT", '["mailsla"]') in instructions
    assert "mailsla" in PROJECT["project"]["scripts"]
    assert "embedded" not in "".join(v for n, v in instructions if n == "RUN")
    lowest = PROJECT["project"]["requires-python"].removeprefix(">=")
    for name, value in instructions:
        if name == "FROM":
            assert re.match(rf"python:{re.escape(lowest)}-slim", value)


def test_the_image_gets_every_file_the_build_needs():
    copied = {
        word.rstrip("/")
        for line in re.findall(r"^COPY (?!--)(.*)", DOCKERFILE, re.MULTILINE)
        for word in line.split()[:-1]
    }
    project = PROJECT["project"]
    (name,) = {p.rstrip("*") for p in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    packages = {name, *(link.name for link in (ROOT / name).iterdir() if link.is_symlink())}
    files = {
        "pyproject.toml",
        "setup.py",
        project["readme"],
        *project["license-files"],
        "requirements",
    }
    assert copied == {*files, *packages}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied


@pytest.mark.parametrize("package", ["schemas", "sinks", "streams"])
def test_every_data_file_of_a_package_is_installed(package):
    patterns = PROJECT["tool"]["setuptools"]["package-data"].get(f"mailsla.{package}", [])
    installed = {path for pattern in patterns for path in (ROOT / package).glob(pattern)}
    compiled = {".c", ".so"}
    data = {
        path
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc", ".md", *compiled}
    }
    assert data == installed


def test_one_name_is_installed_with_everything_in_it():
    found = set(find_packages(str(ROOT), **PROJECT["tool"]["setuptools"]["packages"]["find"]))
    assert {name.partition(".")[0] for name in found} == {"mailsla"}
    for package in ("schemas", "sinks", "streams"):
        folders = {path.parent for path in (ROOT / package).rglob("*.py")}
        assert {".".join(("mailsla", *path.relative_to(ROOT).parts)) for path in folders} <= found


def test_every_package_directory_is_a_package():
    for package in ("schemas", "sinks", "streams"):
        for path in (ROOT / package).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), f"{path.parent} is not installed"


def test_every_marker_in_use_is_declared_and_imports_work_from_anywhere():
    options = PROJECT["tool"]["pytest"]["ini_options"]
    assert options["pythonpath"] == ["."]
    declared = {marker.partition(":")[0] for marker in options["markers"]}
    used = {
        name
        for path in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"^@pytest\.mark\.([a-z]+)", path.read_text(), re.MULTILINE)
    }
    assert used - {"parametrize", "usefixtures", "timeout", "skipif", "xfail"} <= declared
