"""How many lines of each package the suite runs in its own processes, printed at its end.

What brokers, servers and workers run as programs of their own is not in it. A line costs something
only until it has run once, so that all tests can be measured, those of speed as well.
``make test`` names this plugin; nothing else does.
"""

import json
import os
import tempfile
from collections import Counter
from pathlib import Path

import slipcover

PACKAGES = ("schemas", "streams", "sinks")
FOLDER = "MAILSLA_TEST_COVERAGE"


def pytest_configure(config):
    # The processes of a suite find the folder of the one that started them in the environment.
    is_worker = hasattr(config, "workerinput")
    if not is_worker:
        os.environ[FOLDER] = tempfile.mkdtemp()
    if is_worker or not config.option.numprocesses:
        config.pluginmanager.register(Measured(), "measured")


class Measured:
    """Measures in the processes that run tests."""

    def __init__(self):
        self._lines = slipcover.Slipcover(immediate=True, source=list(PACKAGES))
        slipcover.ImportManager(self._lines, slipcover.FileMatcher(PACKAGES)).__enter__()

    def pytest_sessionfinish(self):
        path = Path(os.environ[FOLDER], f"{os.getpid()}.json")
        path.write_text(json.dumps(self._lines.get_coverage()["files"]))


def pytest_terminal_summary(terminalreporter, config):
    if hasattr(config, "workerinput"):
        return
    run, not_run = {}, {}
    for path in Path(os.environ[FOLDER]).iterdir():
        for name, file in json.loads(path.read_text()).items():
            run.setdefault(name, set()).update(file["executed_lines"])
            not_run.setdefault(name, set()).update(file["missing_lines"])
    lines, ran = Counter(), Counter()
    for name in run:
        package = Path(name).parts[0]
        ran[package] += len(run[name])
        lines[package] += len(run[name] | not_run[name])
    shares = [f"{package} {ran[package] / lines[package]:.0%}" for package in PACKAGES]
    terminalreporter.write_line(f"Lines run in the processes of the tests: {', '.join(shares)}")
