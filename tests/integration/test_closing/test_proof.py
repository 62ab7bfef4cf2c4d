"""The proof pack of a closed month agrees without us, and a changed row does not."""

import io
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import date, timedelta

import pyarrow.parquet as pq
import pytest

from mailsla.sinks.closing.errors import ClosingError
from mailsla.sinks.closing.run.close_month import close_month
from mailsla.sinks.closing.run.proof import prove
from mailsla.sinks.closing.run.proof_check import RULE_OF, differences
from tests.integration.test_closing.ledger import close, close_history, publish
from tests.reference.scenario import (
    CUTOFF,
    TENANT,
    at,
    contract,
    event,
    excluded,
    fault,
    probes,
    sent,
)
from tests.reference.strategies import checked_months

pytestmark = pytest.mark.embedded

OCTOBER = date(2025, 10, 1)
NOON = at(10, 12)
EVENTS = [
    *probes(NOON, 3600, ok=False),
    excluded(NOON, 600, code="carrier"),
    *(sent(at(11), 10 + n, f"m{n}") for n in range(5)),
    sent(NOON, 4000, "over"),
    *fault(at(20, 23), 7200),
    event("complaint.received", at(14), case_id="late"),
    event("backup.completed", at(15), kind="full", started_at=at(14), backup_id="b"),
]
# In the middle of the month the promise of section 1 changes: it is judged in two parts.
CONTRACTS = [
    contract(),
    contract(version=2, effective_from="2025-10-09", overrides={
        "connectivity.downtime": {"target": 60}}),
]  # fmt: skip


def repacked(content, **changed):
    """The pack with some files replaced; names without their suffix."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, changed.get(name.partition(".")[0], old.read(name)))
    return out.getvalue()


def changed_rows(content):
    """Packs with another amount in one row that counts, one pack for each indicator that adds up;
    their digests are left out."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        table = pq.read_table(io.BytesIO(packed.read("evidence.parquet")))
    rows = table.to_pylist()
    for row in {r["indicator"]: r for r in rows if r["counts"] and r["part"] == 0}.values():
        if RULE_OF.get(row["indicator"]) in {"net", "share left", "mean", "sum", "largest"}:
            out = io.BytesIO()
            more = [r | {"amount": r["amount"] + 10**9} if r is row else r for r in rows]
            pq.write_table(type(table).from_pylist(more, schema=table.schema), out)
            yield row["indicator"], repacked(content, evidence=out.getvalue(), files=b"{}")


def test_a_pack_agrees_elsewhere_and_a_changed_row_is_noticed(client, tmp_path):
    (closing,) = close(client, EVENTS, now=CUTOFF, contracts=CONTRACTS)
    assert {item.indicator for item in closing.items if item.verdict == "breached"} >= {
        "connectivity.downtime", "operations.fault_duration", "antispam.complaint_response",
    }  # fmt: skip
    content = prove(client, TENANT, OCTOBER)
    assert list(differences(content)) == []
    noticed = {name: list(differences(pack)) for name, pack in changed_rows(content)}
    assert len(noticed) >= 5
    assert all(any(name in line for line in lines) for name, lines in noticed.items())
    broken = list(differences(repacked(content, credits=b"[]")))
    assert "credits.json: not the file that was packed" in broken
    assert any(line.startswith("credits: owed") for line in broken)

    # Without us: another interpreter, another folder, the pack's own file.
    (tmp_path / "proof.zip").write_bytes(content)
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        (tmp_path / "check.py").write_bytes(packed.read("check.py"))
    command = [sys.executable, "-I", "check.py", "proof.zip"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "agrees\n"), done.stderr
    with pytest.raises(ClosingError, match="close the month first"):
        prove(client, "nobody", OCTOBER)


def test_packs_of_a_drawn_month_agree_whatever_its_calendar_becomes(client):
    """Voided, contradicting, amended, approved events; days of work that change after a closing."""
    history = checked_months(7)
    days = [history.first_day + timedelta(days=number) for number in range(0, 28, 3)]
    document = {"calendar": "acme", "version": 1, "working_days": [str(day) for day in days]}
    document["complete_for"] = sorted(
        {year for day in days for year in (day.year - 1, day.year, day.year + 1)}
    )
    kept = [each.model_copy(update={"calendar": "acme"}) for each in history.contracts]
    publish(client, "sla.calendars", document)
    closing, *_ = close_history(client, replace(history, contracts=tuple(kept)))
    publish(client, "sla.calendars", document | {"version": 2, "working_days": []})
    later = history.cutoff + timedelta(hours=1)
    again, *_ = close_month(client, history.first_day, contracts=kept, now=later)
    for revision in {closing.revision, again.revision}:
        content = prove(client, closing.tenant_id, history.first_day, revision=revision)
        assert list(differences(content)) == []
