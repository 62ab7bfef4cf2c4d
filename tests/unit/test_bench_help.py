"""The benchmarks start: what they are called, and the one that needs no servers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.__main__ import NAMES
from tests.bench.codec import BAD_PERCENT, DECODERS, SIZES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def bench(*arguments):
    """What ``python -m tests.bench`` prints; it has to succeed."""
    argv = [sys.executable, "-m", "tests.bench", *arguments]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_help_explains_every_benchmark():
    text = bench("--help")
    for name in NAMES:
        assert re.search(rf"^ +{name}  +\w", text, re.MULTILINE), name


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_is_a_module_that_runs(name):
    module = __import__(f"tests.bench.{name}", fromlist=["run"])
    assert callable(module.run)


def test_the_codec_is_measured_beside_the_others():
    lines = [line for line in bench("codec", "--quick").splitlines() if "% bad" in line]
    assert len(lines) == len(SIZES) * len(BAD_PERCENT)
    for line in lines:
        figures = [
            float(figure.replace(",", "")) for figure in re.findall(r"  ([\d,.]+)(?=×|  |$)", line)
        ]
        assert len(figures) == len(DECODERS) + 2, line
        assert min(figures) > 0
        ours, pydantic, orjson, *ratios = figures
        assert ratios == pytest.approx([ours / pydantic, ours / orjson], abs=0.01)
