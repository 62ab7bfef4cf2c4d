"""What is installed: locked with hashes, everything the project asks for, under known licences."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = {
    "runtime": [PROJECT["dependencies"]],
    "dev": [PROJECT["dependencies"], EXTRAS["embedded"], EXTRAS["dev"]],
    "supply": [PROJECT["dependencies"], EXTRAS["embedded"], EXTRAS["dev"], EXTRAS["supply"]],
}
PERMISSIVE = re.compile(
    r"Apache|MIT|BSD|PSF|Python Software Foundation|MPL|Mozilla|Repoze|Zlib|ISC|HPND|CC0"
)


def locked(name):
    """Package → its block in the lock file."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    found = {}
    for block in blocks:
        if "==" in block:
            found.setdefault(canonicalize_name(block.partition("==")[0]), []).append(block)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_everything_that_is_asked_for_in_an_allowed_version(name):
    found = locked(name)
    for wanted in (Requirement(text) for group in LOCKS[name] for text in group):
        blocks = found.get(canonicalize_name(wanted.name))
        assert blocks, f"{wanted.name} is not locked; run make lock"
        for block in blocks:
            version = re.match(r"[^=]+==([^ ;]+)", block)[1]
            assert wanted.specifier.contains(version), f"{block.split()[0]}; run make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_file_has_its_hash(name):
    for package, blocks in locked(name).items():
        for block in blocks:
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), package
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    assert "://" not in re.sub(r"#.*", "", text), "a lock names no place to fetch from"


def test_the_licences_of_what_the_image_holds_are_listed_and_permissive():
    rows = (ROOT / "requirements/LICENCES.md").read_text().splitlines()[2:]
    licences = {}
    for row in rows:
        name, _, licence, _ = (cell.strip() for cell in row.strip("|").split("|"))
        licences[canonicalize_name(name)] = licence
        assert PERMISSIVE.search(licence), f"{name} is under {licence}"
    # Only what some other system or Python needs, or builds the project and does not stay in the
    # image, may be missing from the list.
    missing = {
        package
        for package, blocks in locked("runtime").items()
        if package not in licences and " ; " not in blocks[0].splitlines()[0]
    }
    assert missing <= {"cython", "setuptools"}, "run make licences"


def test_what_the_page_ships_of_others_has_its_licence_beside_it():
    static = ROOT / "streams/web/static"
    (version,) = re.findall(r"uPlot \(v([\d.]+)\)", (static / "uplot.js").read_text()[:200])
    listed = (ROOT / "requirements/LICENCES.md").read_text()
    assert f"| uPlot (in streams/web/static) | {version} | MIT License |" in listed
    assert "The MIT License" in (static / "uplot.LICENSE").read_text()


def test_image_and_tests_install_what_is_locked():
    dockerfile, makefile = (ROOT / "Dockerfile").read_text(), (ROOT / "Makefile").read_text()
    for text, lock in ((dockerfile, "runtime"), (makefile, "dev")):
        assert re.search(rf"--require-hashes (?:-r|--requirement) requirements/{lock}.lock", text)
        assert "--no-deps --no-build-isolation" in text


@pytest.mark.parametrize(
    ("fixes", "code", "says"),
    [
        ([], 0, ""),
        ([["1.2", "2.0"]], 1, "orjson 1.0: PYSEC-0; take 1.2, 2.0: make lock UPGRADE=--upgrade"),
        ([[]], 0, "orjson 1.0: PYSEC-0; no remedy yet"),
        ([[], ["2.0"]], 1, "PYSEC-1; take 2.0"),
        (None, 0, "the audit could not be made"),
    ],
    ids=["nothing", "mended", "no remedy", "one of two", "nobody to ask"],
)
def test_a_change_fails_for_a_vulnerability_that_a_newer_version_mends(tmp_path, fixes, code, says):
    report = tmp_path / "audit.json"
    if fixes is not None:
        found = [{"id": f"PYSEC-{n}", "fix_versions": each} for n, each in enumerate(fixes)]
        packages = [{"name": "orjson", "version": "1.0", "vulns": found}, {"name": "x"}]
        report.write_text(json.dumps({"dependencies": packages, "fixes": []}))
    judge = [sys.executable, str(ROOT / ".ci/audit.py"), str(report)]
    done = subprocess.run(judge, capture_output=True, text=True, timeout=60)
    assert (done.returncode, says in done.stdout) == (code, True)


def test_an_audit_that_could_not_ask_about_a_package_does_not_pass():
    (audit,) = re.findall(r"^\t.*pip-audit .*$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "--strict" in audit
    assert "requirements/runtime.lock" in audit
