"""The AsyncAPI parser: npm's packages of the lock file beside, installed once into the cache."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", ".npmrc", "validate.mjs")


def validate(path):
    """What the parser found in a document, and what it objects to."""
    script = parser() / "validate.mjs"
    done = subprocess.run(["node", script, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def parser():
    """The directory with the installed parser; a changed lock file has one of its own."""
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing:
        sentence = f"the AsyncAPI parser needs {' and '.join(missing)}; install Node.js 20 or later"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(sentence)
    content = b"".join((HERE / name).read_bytes() for name in FILES)
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mailsla"
    target = base / f"asyncapi-{hashlib.sha256(content).hexdigest()[:12]}"
    base.mkdir(parents=True, exist_ok=True)
    with open(f"{target}.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not target.is_dir():
            _install(target)
    return target


def _install(target):
    scratch = target.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for name in FILES:
        shutil.copy(HERE / name, scratch)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"npm could not install the AsyncAPI parser: {done.stderr[-500:]}"
    scratch.rename(target)  # whole or not at all
