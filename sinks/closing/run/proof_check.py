"""Recomputes a closed month from the rows of its proof pack; needs pyarrow and nothing of mailsla.

A pack (``mailsla prove``) is a zip of:

* ``items.json``       every indicator as it was closed: figure, target, verdict, parts;
* ``evidence.parquet`` the rows each figure is made of, one part of the month at a time;
* ``period.json``      how long each part is (µs) and how many days its year has;
* ``credits.json``     what the month owes; ``contracts.json`` by which documents;
* ``calendar.json``    the working days used; ``revision.json`` cutoff and digests;
* ``files.json``       the SHA-256 of all of these;
* ``check.py``         this file.

Run it on the zip: ``python check.py proof.zip``. It says ``agrees``, or where not, and exits 1.

A row has an ``amount`` and what of it is ``excused`` (whole µs of a length of time, else a
number), and ``counts`` or does not. From the rows of an indicator its value follows by one of the
rules below; the verdict compares the exact fraction with the target.
"""

import hashlib
import io
import json
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

SECOND = 1_000_000

RULES = {
    # Σ amount - Σ excused, in seconds
    "net": ("connectivity.downtime", "operations.fault_duration", "operations.adjustment_duration"),
    # 1 - (Σ amount - Σ excused) ÷ length of the month
    "share left": ("connectivity.ratio", "operations.availability", "support.availability"),
    # Σ amount ÷ length of the month
    "share": ("operations.monitoring",),
    # Σ amount ÷ number of rows, in seconds
    "mean": (
        "latency.send.mean", "latency.receive.mean", "antivirus.scan_delay",
        "operations.page_load.narrowband", "operations.page_load.broadband",
    ),
    # the largest amount, in seconds
    "largest": ("latency.send.max", "latency.receive.max"),
    # Σ amount
    "sum": ("latency.exceedances", "antivirus.unscanned", "antivirus.policy_mismatch"),
    # days of the year - number of rows
    "days left": ("operations.fault_free_days",),
    # Σ amount of the rows that count ÷ Σ amount of all
    "rate": ("operations.billing_error_rate",),
}  # fmt: skip
"""Rule → indicators; of every other indicator the rows that count are counted."""
RULE_OF = {indicator: rule for rule, names in RULES.items() for indicator in names}

Rows = list[dict[str, Any]]


def value_of(indicator: str, rows: Rows, length_us: int, year_days: int) -> Fraction | None:
    """The exact value that the rows give, in the indicator's unit; None without a denominator."""
    counting = [row for row in rows if row["counts"]]
    amount = sum(int(row["amount"]) for row in counting)
    net = amount - sum(int(row["excused"]) for row in counting)
    match RULE_OF.get(indicator, "count"):
        case "net":
            return Fraction(net, SECOND)
        case "share left":
            return 1 - Fraction(net, length_us)
        case "share":
            return Fraction(amount, length_us)
        case "mean":
            return Fraction(amount, len(counting) * SECOND) if counting else None
        case "largest":
            largest = max((int(row["amount"]) for row in counting), default=None)
            return None if largest is None else Fraction(largest, SECOND)
        case "sum":
            return Fraction(amount)
        case "days left":
            return Fraction(year_days - len(counting))
        case "rate":
            whole = sum(int(row["amount"]) for row in rows)
            return Fraction(amount, whole) if whole else None
        case _:
            return Fraction(len(counting))


def cut(value: Fraction) -> Fraction:
    """The value as a closing shows it: cut to nine decimals."""
    return Fraction(value.numerator * 10**9 // value.denominator, 10**9)


def keeps(value: Fraction, comparator: str, target: str) -> bool:
    """Whether a value keeps its promise."""
    limit = Fraction(target)
    return {
        "<": value < limit,
        "<=": value <= limit,
        ">=": value >= limit,
        "=": value == limit,
    }[comparator]


class Pack:
    """The files of a proof pack."""

    def __init__(self, content: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            self.files = {name: packed.read(name) for name in packed.namelist()}
        self.items: list[dict[str, Any]] = self.read("items.json")
        self.periods: list[dict[str, Any]] = self.read("period.json")
        self.rows: dict[tuple[str, int], Rows] = {}
        # One thread: those of a pool may still be starting when a short run ends, which aborts it.
        evidence = pq.ParquetFile(io.BytesIO(self.files["evidence.parquet"]))
        table = evidence.read(use_threads=False)
        for row in table.to_pylist():
            self.rows.setdefault((row["indicator"], row["part"]), []).append(row)

    def read(self, name: str) -> Any:
        """A JSON file of the pack."""
        return json.loads(self.files[name])

    def value(self, indicator: str, part: int) -> Fraction | None:
        """What the rows of an indicator give in one part of the month (0: all of it)."""
        period = next(each for each in self.periods if each["part"] == part)
        rows = self.rows.get((indicator, part), [])
        return value_of(indicator, rows, period["length_us"], period["year_days"])


def differences(content: bytes) -> Iterator[str]:
    """Every place where a pack does not agree with itself, in words."""
    pack = Pack(content)
    for name, digest in pack.read("files.json").items():
        if hashlib.sha256(pack.files.get(name, b"")).hexdigest() != digest:
            yield f"{name}: not the file that was packed"
    for item in pack.items:
        yield from _item(pack, item)
    yield from _credits(pack)


def _item(pack: Pack, item: dict[str, Any]) -> Iterator[str]:
    indicator = item["indicator"]
    yield from _figure(pack, indicator, item, 0)
    if item["verdict"] not in ("met", "breached"):
        return
    verdicts = [(item, 0)]
    if item["parts"]:
        numbers = [each["part"] for each in pack.periods if indicator in each["judges"]]
        verdicts = list(zip(item["parts"], numbers, strict=True))
    broken = False
    for judged, part in verdicts:
        if item["parts"]:
            yield from _figure(pack, f"{indicator}, part {part}", judged, part)
        if judged["verdict"] not in ("met", "breached"):
            continue
        value = pack.value(indicator, part)
        kept = value is not None and keeps(value, judged["comparator"], judged["target"])
        broken |= not kept
        if kept != (judged["verdict"] == "met"):
            yield f"{indicator}: {judged['verdict']}, but the rows say otherwise"
    if broken != (item["verdict"] == "breached"):
        yield f"{indicator}: {item['verdict']}, but the rows say otherwise"


def _figure(pack: Pack, name: str, item: dict[str, Any], part: int) -> Iterator[str]:
    """Whether a figure is what its rows give; a figure that nobody claims is not compared."""
    if item["observed"] is None:
        return
    value = pack.value(name.partition(",")[0], part)
    if value is None or cut(value) != Fraction(item["observed"]):
        found = "nothing" if value is None else str(float(cut(value)))
        yield f"{name}: closed with {item['observed']}, the rows give {found}"


def _credits(pack: Pack) -> Iterator[str]:
    """Whether the month owes what its breached sections say."""
    breached = {(i["section"], i["remedy"]) for i in pack.items if i["verdict"] == "breached"}
    owed = Counter(remedy for _, remedy in breached if remedy != "none")
    issued = Counter(c["remedy"] for c in pack.read("credits.json") if c["kind"] == "issue")
    if pack.read("revision.json")["stacking"] == "once":
        owed = Counter(dict.fromkeys(owed, 1))
    if owed != issued:
        yield f"credits: owed {dict(owed)}, issued {dict(issued)}"


def main(arguments: list[str]) -> int:
    """Check the pack named on the command line."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python check.py proof.zip\n")
        return 2
    found = list(differences(Path(arguments[0]).read_bytes()))
    for line in found:
        sys.stdout.write(f"{line}\n")
    if not found:
        sys.stdout.write("agrees\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
