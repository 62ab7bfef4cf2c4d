"""Runs scenarios of faults, each by itself, with their figures; ends with 1 if one fails."""

import argparse
import os
import subprocess
import sys
import time

from tests.faults.scenarios import SCENARIOS
from tests.stack import FIGURE


def main():
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("scenario", help="its name, or all, or list")
    name = parser.parse_args().scenario
    if name == "list":
        for one, scenario in SCENARIOS.items():
            print(f"{one:<18} {scenario.about}")
        return
    if name != "all" and name not in SCENARIOS:
        sys.exit(f"{name} is none of {', '.join(SCENARIOS)}")
    chosen = SCENARIOS if name == "all" else {name: SCENARIOS[name]}
    failed = [one for one in chosen if not _holds(one, SCENARIOS[one])]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def _holds(name, scenario):
    """Run one; say how long it took, whether it held, and its figures."""
    began = time.monotonic()
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-s",
        "--show-capture=no",
        "--timeout=3600",
        *scenario.tests,
    )
    variables = {**scenario.variables, **os.environ, "MAILSLA_FAULTS": "1"}
    ended = subprocess.run(command, env=variables, capture_output=True, text=True)
    held = ended.returncode == 0
    print(f"{name}: {'holds' if held else 'FAILS'}, {time.monotonic() - began:.0f} s")
    for line in ended.stdout.splitlines():
        if FIGURE in line:
            print("  " + line[line.index(FIGURE) + len(FIGURE) :])
    if not held:
        print(ended.stdout[-6_000:])
    sys.stdout.flush()
    return held


if __name__ == "__main__":
    main()
