"""Judges what ``make audit`` found: fails for a known vulnerability that a newer version mends.

One without a remedy, or an audit that could not be made because there was nobody to ask, is told
and left to people: neither makes a change wrong, nor can a change mend it.
"""

import json
import sys
from pathlib import Path


def verdict(report: Path) -> tuple[bool, list[str]]:
    """Whether the audit passes, and a line for each thing it has to tell."""
    if not report.is_file():
        return True, ["the audit could not be made; see above, and run make audit again"]
    lines, passes = [], True
    for package in json.loads(report.read_text())["dependencies"]:
        for found in package.get("vulns", ()):
            mended = ", ".join(found["fix_versions"])
            passes = passes and not mended
            remedy = f"take {mended}: make lock UPGRADE=--upgrade" if mended else "no remedy yet"
            lines.append(f"{package['name']} {package['version']}: {found['id']}; {remedy}")
    return passes, lines


if __name__ == "__main__":
    passes, lines = verdict(Path(sys.argv[1]))
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.exit(not passes)
