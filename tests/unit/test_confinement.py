"""The walls around the embedded ClickHouse: what a confined process can still do, and the gate."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from mailsla.sinks.embedded.confinement import landlock_version
from mailsla.sinks.embedded.credentials import USERS, credentials_path, ensure_credentials
from mailsla.sinks.embedded.errors import StackError
from mailsla.sinks.embedded.gate import Gate
from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port

pytestmark = pytest.mark.slow

PROGRAM = """
import json, socket, sys, threading
from pathlib import Path
from mailsla.sinks.embedded.confinement import Confinement, confine
data, secret, bind, allowed, other = sys.argv[1:]
assert confine(Confinement(
    readable=tuple(map(Path, (sys.prefix, sys.base_prefix, "/usr", "/lib", "/nowhere"))),
    writable=(Path(data),), bind_ports=(int(bind),), connect_ports=(int(allowed),),
))
def connect(port):
    socket.create_connection(("127.0.0.1", int(port)), 5).close()
def listen(port):
    socket.create_server(("127.0.0.1", int(port))).close()
tries = {
    "read inside": lambda: Path(data, "own").read_text(),
    "write inside": lambda: Path(data, "new").write_text("x"),
    "read outside": lambda: Path(secret).read_text(),
    "list outside": lambda: list(Path(secret).parent.iterdir()),
    "write outside": lambda: Path(secret).write_text("x"),
    "remove outside": lambda: Path(secret).unlink(),
    "read through a link": lambda: Path(data, "link").read_text(),
    "connect to the allowed port": lambda: connect(allowed),
    "connect elsewhere": lambda: connect(other),
    "listen on the allowed port": lambda: listen(bind),
    "listen elsewhere": lambda: listen(0),
    "environment of the parent": lambda: Path(f"/proc/{__import__('os').getppid()}/environ")
        .read_bytes(),
}
found = {}
def run():
    for name, action in tries.items():
        try:
            action()
            found[name] = True
        except PermissionError:
            found[name] = False
thread = threading.Thread(target=run)
thread.start(); thread.join()
print(json.dumps(found))
"""


@pytest.mark.skipif(landlock_version() < 4, reason="this kernel's Landlock knows no ports")
def test_a_confined_process_reaches_its_own_directory_and_ports_alone(tmp_path):
    data, secret = tmp_path / "data", tmp_path / "private" / "secret"
    for path in (data / "own", secret):
        path.parent.mkdir()
        path.write_text("kept")
    (data / "link").symlink_to(secret)
    with socket.create_server((LOOPBACK, 0)) as one, socket.create_server((LOOPBACK, 0)) as two:
        ports = (resolve_port(0, "x"), one.getsockname()[1], two.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(data), str(secret), *map(str, ports)],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": os.getcwd()},
        )
    assert done.returncode == 0, done.stderr
    allowed = {name for name, worked in json.loads(done.stdout).items() if worked}
    assert allowed == {
        "read inside",
        "write inside",
        "connect to the allowed port",
        "listen on the allowed port",
    }
    assert secret.read_text() == "kept"


def test_the_gate_lets_one_in():
    gate = Gate()
    gate.open()
    url = f"http://{LOOPBACK}:{gate.port}/"
    with urllib.request.urlopen(url, timeout=5) as first:
        assert first.status == 200
    for _ in range(3):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url, timeout=5)
        assert refused.value.code == 403


def test_passwords_are_random_stay_and_are_their_owner_s(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    first = ensure_credentials(one)
    assert set(first) == set(USERS)
    assert len({*first.values(), *ensure_credentials(two).values()}) == 2 * len(USERS)
    assert min(map(len, first.values())) >= 32
    assert ensure_credentials(one, ["tenant_acme"]).items() > first.items()
    path = credentials_path(one)
    assert path.parent == one.parent, "not where the server could read it"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "[]", '{"operator": 1}', "\x00"])
def test_a_damaged_file_of_passwords_is_a_sentence(tmp_path, content):
    Path(credentials_path(tmp_path / "d")).write_text(content)
    with pytest.raises(StackError, match="remove it"):
        ensure_credentials(tmp_path / "d")
