"""Which way the packages depend on each other, and that what is pure stays pure.

cli → live ⇄ maillog → clauses → time → schemas
 │       │      └─────→ connectors ────────↑
 │       ├────→ runtime → settings ────────┤
 ├→ web ─┴→ sinks.clickhouse               │
 └→ sinks ───┴─────────────────────────────┘

metrics imports the settings alone; runtime, sinks, web, agents and the live worker write to it.
"""

import ast
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "sinks", "streams")
INSTALLED = "mailsla"  # the folder of links to them: the one name that a wheel installs
LONGEST_FILE = 400
LONGER_FILES = {"streams/live/task.py": 431}
"""The steps of a task in their order; each is a call of its package."""
LONGEST_FUNCTION = 50
LONGER_FUNCTIONS = {
    # Mostly arguments and their documentation.
    "sinks/closing/run/close_month.py::close_month": 65,
    "sinks/statement/making.py::make_all": 55,
    "streams/cli/commands/ship.py::postfix": 60,
    # One story from beginning to end.
    "tests/integration/test_ship.py::test_a_followed_log_survives_rotations_and_kills": 60,
}
MOST_FILES = 12
"""Modules, or queries, in one folder; who opens it shall see at a glance what it holds."""
FULLER_FOLDERS = {
    # One file for each command.
    "streams/cli/commands": 30,
}

TEXT_SUFFIXES = {".py", ".md", ".sql", ".toml", ".yml", ".yaml", ".json", ".txt", ""}


@dataclass(frozen=True)
class Layer:
    """Modules that start with ``name``, and what of ours they may import besides themselves."""

    name: str
    may_import: tuple[str, ...]


LAYERS = (
    Layer("schemas", ()),
    Layer("streams.time", ("schemas",)),
    Layer("streams.latency", ("schemas", "streams.time")),
    Layer("streams.clauses", ("schemas", "streams.time")),
    Layer("streams.connectors", ("schemas",)),
    Layer("streams.simulate.publish", ("streams.simulate", "streams.settings", "streams.runtime")),
    Layer("streams.simulate", ("schemas",)),
    Layer("streams.settings", ("schemas",)),
    Layer("streams.metrics", ("streams.settings",)),
    Layer(
        "streams.runtime",
        (
            "schemas",
            "streams.settings",
            "streams.time",
            "streams.latency",
            "streams.metrics",
        ),
    ),
    Layer(
        "streams.live",
        (
            "schemas",
            "streams.settings",
            "streams.runtime",
            "streams.metrics",
            "streams.time",
            "streams.latency",
            "streams.clauses",
            "streams.maillog",
        ),
    ),
    Layer(
        "streams.maillog",
        (
            "schemas",
            "streams.settings",
            "streams.runtime",
            "streams.time",
            "streams.metrics",
            "streams.time",
            "streams.clauses",
            "streams.connectors",
            "streams.live",
        ),
    ),
    Layer("streams.access", ("schemas", "streams.runtime")),
    Layer("sinks", ("schemas", "streams.settings", "streams.runtime", "streams.metrics")),
    Layer(
        "streams.web",
        (
            "schemas",
            "streams.settings",
            "streams.runtime",
            "streams.metrics",
            "sinks.clickhouse",
            "sinks.closing",
            "sinks.ddl",
            "sinks.statement",
        ),
    ),
    Layer("streams.notify", ("schemas", "streams.settings", "streams.runtime", "streams.metrics")),
    Layer("streams.cli", PACKAGES),
)

PURE = (
    "schemas",
    "streams.time",
    "streams.latency",
    "streams.clauses",
    "streams.simulate",
    "streams.connectors",
)
EDGES = {
    # The edges of pure packages, each the only place that does what its name says.
    "schemas.export.json_schemas",
    "streams.connectors.finished",
    "streams.connectors.follow",
    "streams.connectors.rotation",
    "streams.simulate.publish",
}
IMPURE_MODULES = {
    "asyncio", "http", "multiprocessing", "os", "random", "requests", "secrets", "select",
    "signal", "socket", "subprocess", "tempfile", "threading", "time", "urllib", "uuid",
    "aiokafka", "clickhouse_connect", "faust", "kafka",
}  # fmt: skip
PURE_PARTS = {
    # Of a module that can also do otherwise, what is a function of its arguments alone.
    "random": {"Random"},
    "uuid": {"UUID", "uuid5"},
    "urllib": {"parse"},
}
CLOCKS = {"now", "utcnow", "today"}
"""Methods of datetime and date that read the system clock."""


def modules():
    """(dotted name, path) of every module of the project's packages."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def within(module, package):
    """Whether a module is the package or lies in it."""
    return module == package or module.startswith(f"{package}.")


def layer_of(module):
    """The most narrow layer a module belongs to, if any."""
    fitting = [layer for layer in LAYERS if within(module, layer.name)]
    return max(fitting, key=lambda layer: len(layer.name), default=None)


def imported(source, module):
    """Every (module, name or None) a source imports, wherever the import stands."""
    for node in nodes(source):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively; write the package's name"
            yield from ((node.module, alias.name) for alias in node.names)


def imports(source, module):
    """Every (module, name or None) a source imports; ours without the installed name before it."""
    for target, name in imported(source, module):
        if target == INSTALLED:
            yield name, None
        else:
            assert target.partition(".")[0] not in PACKAGES, f"{module}: write mailsla.{target}"
            yield target.removeprefix(f"{INSTALLED}."), name


def forbidden_imports(source, module):
    """Imports of ours that the module's layer does not allow, as sentences."""
    layer = layer_of(module)
    if layer is None:
        return []
    allowed = (layer.name, *layer.may_import)
    found = []
    for target, name in imports(source, module):
        # `from streams import settings` names the module only together with what is imported.
        full = f"{target}.{name}" if target in PACKAGES and name is not None else target
        ours = full.partition(".")[0] in PACKAGES
        if ours and not any(within(full, one) for one in allowed):
            found.append(f"{module} imports {full}, which {layer.name} must not know")
    return found


@cache
def nodes(source):
    """Every node of a module; most are asked for by several tests."""
    return tuple(ast.walk(ast.parse(source)))


def impurities(source, module):
    """What reaches for a clock, chance, the system or the network, as sentences."""
    found = []
    for target, name in imports(source, module):
        top, _, rest = target.partition(".")
        if top in IMPURE_MODULES and not {name, rest or None} & PURE_PARTS.get(top, set()):
            found.append(f"{module} imports {target}")
    for node in nodes(source):
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS:
            found.append(f"{module}:{node.lineno} reads the clock")
        called = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        if called and node.id in {"open", "print", "input"}:
            found.append(f"{module}:{node.lineno} calls {node.id}")
    return found


def long_functions(source, path):
    """(path::name, lines) of functions over their limit."""
    for node in nodes(source):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            name, length = f"{path}::{node.name}", node.end_lineno - node.lineno + 1
            if length > LONGER_FUNCTIONS.get(name, LONGEST_FUNCTION):
                yield name, length


def own_files():
    """Every text file of the project that is not fetched, built or real-world material."""
    skipped = {"egg-info", "__pycache__", "corpora", "build", "dist"}
    for top in (*PACKAGES, "tests", ".ci"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_file() and path.suffix in TEXT_SUFFIXES and not skipped & {*path.parts}:
                yield path
    for path in sorted(ROOT.iterdir()):
        named = path.suffix in TEXT_SUFFIXES - {""} or path.name in {"Makefile", "Dockerfile"}
        if path.is_file() and named:
            yield path


def test_every_module_belongs_to_a_layer():
    outside = [name for name in MODULES if layer_of(name) is None]
    assert set(outside) <= {"streams"}, "say in LAYERS what these may import"


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_imports_point_one_way(layer):
    own = {name: path for name, path in MODULES.items() if layer_of(name) is layer}
    assert own, f"{layer.name} has no module any more; take it out of LAYERS"
    assert not [
        one for name, path in own.items() for one in forbidden_imports(path.read_text(), name)
    ]


def test_rooms_of_a_package_do_not_know_each_other_both_ways():
    known = set()
    for module, path in MODULES.items():
        room = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for target, name in imports(path.read_text(), module):
            full = f"{target}.{name}" if f"{target}.{name}" in MODULES else target
            other = full if full in PACKAGES else full.rpartition(".")[0]
            if other != room and other.rpartition(".")[0] == room.rpartition(".")[0]:
                known.add((room, other))
    assert not {frozenset(pair) for pair in known if pair[::-1] in known}


@pytest.mark.parametrize("package", PURE)
def test_pure_packages_know_no_clock_chance_system_or_network(package):
    own = {n: p for n, p in MODULES.items() if within(n, package) and n not in EDGES}
    assert own
    assert not [one for name, path in own.items() for one in impurities(path.read_text(), name)]


def test_the_edges_named_are_still_there():
    assert set(MODULES) >= EDGES


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("schemas.events.mta", "from mailsla.streams import settings", True),
        ("schemas.events.mta", "def f():\n    import mailsla.sinks.clickhouse", True),
        (
            "streams.clauses.sections.latency",
            "from mailsla.streams.time.clock import MICROS",
            False,
        ),
        ("streams.time.panes", "from mailsla.streams.clauses.model.measure import Measure", True),
        ("sinks.worker", "from mailsla.streams.live import worker", True),
        (
            "sinks.worker",
            "from mailsla.streams.runtime.faust_app.batches import RecordBatch",
            False,
        ),
        ("streams.runtime.kafka.drain", "import mailsla.streams.cli.main", True),
        (
            "streams.simulate.publish",
            "from mailsla.streams.runtime.kafka.client_options import client_options",
            False,
        ),
        (
            "streams.simulate.plan",
            "from mailsla.streams.runtime.kafka.client_options import client_options",
            True,
        ),
    ],
)
def test_the_import_check_itself(module, source, found):
    assert bool(forbidden_imports(source, module)) is found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time", True),
        ("from os import environ", True),
        ("import socket", True),
        ("from random import Random", False),
        ("from random import random", True),
        ("from uuid import uuid4", True),
        ("from urllib.parse import urlsplit", False),
        ("from urllib.request import urlopen", True),
        ("from datetime import datetime\nx = datetime.now()", True),
        ("from datetime import date\nx = date(2026, 1, 1)", False),
        ("open('x')", True),
    ],
)
def test_the_purity_check_itself(source, found):
    assert bool(impurities(source, "streams.time.example")) is found


def test_files_stay_small():
    lengths = {
        str(path.relative_to(ROOT)): path.read_text().count("\n")
        for path in own_files()
        if path.suffix in {".py", ".sql"}
    }
    assert len(lengths) > 200
    limits = dict.fromkeys(lengths, LONGEST_FILE) | LONGER_FILES
    assert not {name: n for name, n in lengths.items() if n > limits[name]}


def test_folders_stay_small():
    counts = Counter()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.suffix in {".py", ".sql"} and path.name != "__init__.py":
                counts[str(path.parent.relative_to(ROOT)), path.suffix] += 1
    limits = dict.fromkeys((folder for folder, _ in counts), MOST_FILES) | FULLER_FOLDERS
    assert not {key: n for key, n in counts.items() if n > limits[key[0]]}


def test_functions_stay_small():
    long = {}
    for path in own_files():
        if path.suffix == ".py":
            long.update(long_functions(path.read_text(), path.relative_to(ROOT)))
    assert not long


def test_no_file_knows_the_machine_it_was_written_on():
    # Put together here, so that this file passes its own test.
    paths = "|".join(("/" + "work/", "/" + "home/[a-z]", "/" + "Users/", "/" + "root/"))
    hosts = "|".join(
        ("pypi" + r"\.org", "files" + r"\.pythonhosted", "artifact" + "ory", "index" + "-url")
    )
    mark = re.compile(f"{paths}|{hosts}", re.IGNORECASE)
    found = {
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in own_files()
        for match in mark.finditer(path.read_text(errors="replace"))
    }
    assert not found
