"""A whole stack by ``mailsla up`` in a process of its own, and ``mailsla`` commands against it."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner
from landing_server import wait_for

from mailsla.sinks.worker import clickhouse_settings
from mailsla.streams.cli.main import cli
from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.settings import ConfigurationError, load

PROGRAM = (sys.executable, "-c", "from mailsla.streams.cli.main import main; main()")


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str


@dataclass
class Stack:
    """The running stack; ``run`` calls a command against it in this process, which is quick."""

    state_file: Path

    @property
    def state(self):
        return json.loads(self.state_file.read_text())

    def clickhouse(self):
        """The settings of a client that may do anything in the databases."""
        return clickhouse_settings(load(self.state_file))

    def run(self, *arguments, code=0):
        done = CliRunner().invoke(cli, ["--state-file", str(self.state_file), *arguments])
        error = done.exception
        if isinstance(error, (CommandError, ConfigurationError)):
            said = Done(getattr(error, "exit_code", 2), done.stdout, f"{done.stderr}{error}")
        else:
            said = Done(done.exit_code, done.stdout, done.stderr)
        assert said.code == code, (arguments, said, error)
        return said

    def out(self, *arguments):
        return self.run(*arguments).stdout

    def json(self, *arguments, code=0):
        return json.loads(self.run(*arguments, "--json", code=code).stdout)


@contextmanager
def running_stack(folder, *options):
    """``mailsla up`` on free ports, stopped at the end by SIGTERM."""
    state_file = folder / "state.json"
    ports = ("--kafka-port", "0", "--clickhouse-port", "0", "--web-port", "0")
    places = ("--data", str(folder / "data"), "--state-file", str(state_file))
    with open(folder / "up.log", "w") as log:
        process = subprocess.Popen(
            [*PROGRAM, "up", *places, *ports, *options],
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": os.getcwd()},
        )
        try:
            wait_for(lambda: state_file.exists() or process.poll() is not None)
            assert process.poll() is None, (folder / "up.log").read_text()
            yield Stack(state_file)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
