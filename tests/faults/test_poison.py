"""A record that makes the live task fail is passed over; everything else is as without it."""

import sys
from base64 import b64decode
from contextlib import contextmanager

import orjson
import pytest

from mailsla.sinks.embedded.children import Child, Running
from mailsla.streams.cli.output.dead_letter_reading import Choice, latest
from mailsla.streams.cli.support.doctor.checks import clickhouse_findings
from tests.stack import running_stack, wait_for

pytestmark = pytest.mark.embedded

# The real worker; only these three records make it fail, each at another place.
_WORKER = """
from mailsla.streams.live import task
from mailsla.streams.live.publish.rounds import Rounds
from mailsla.streams.live.state.tenants import Tenants

def failing(function, is_poison):
    def wrapped(*arguments, **named):
        if is_poison(*arguments, **named):
            raise RuntimeError("poison")
        return function(*arguments, **named)
    return wrapped

applied = set()
def note(tenants, fact):
    applied.add(fact.id)
    return fact.id == "poison-at-once"
task.apply_fact = failing(task.apply_fact, note)
Tenants.agree = failing(Tenants.agree, lambda tenants, contract: contract.tenant_id == "poison")
Rounds.publish = failing(Rounds.publish, lambda *_: "poison-later" in applied)

from mailsla.streams.cli.main import main
main()
"""


POISON = {"poison", "poison-at-once", "poison-later"}


def heartbeat(name, tenant="acme"):
    event = {
        "id": name, "source": "watch", "type": "monitor.heartbeat", "tenant_id": tenant,
        "time": "2026-10-05T08:00:00Z", "monitor": "watch-1", "interval_s": 30,
    }  # fmt: skip
    return "mail.ops", tenant.encode(), orjson.dumps(event)


def contract(tenant):
    document = {"tenant_id": tenant, "version": 1, "effective_from": "2026-01-01"}
    return "sla.contracts", tenant.encode(), orjson.dumps(document)


@contextmanager
def poisoned_worker(stack):
    variables = {**stack.variables, "MAILSLA_SESSION_TIMEOUT_S": "2"}
    argv = (sys.executable, "-c", _WORKER, "worker", "streams")
    running = Running(Child("poisoned", argv, variables), stack.logs)
    try:
        yield running
    finally:
        running.stop()


@pytest.mark.kafka
def test_records_that_make_the_task_fail_are_dead_letters_and_the_rest_goes_on(tmp_path):
    with running_stack(tmp_path, "kafka") as stack, poisoned_worker(stack) as worker:
        stack.worker("sinks")
        stack.publish([contract("acme"), contract("poison"), contract("last")])
        stack.publish([heartbeat(f"before-{n}") for n in range(150)])
        stack.publish(
            [heartbeat("poison-at-once"), heartbeat("between"), heartbeat("poison-later")]
        )
        stack.publish([heartbeat(f"after-{n}") for n in range(150)])
        stack.drain()
        wait_for(lambda: latest(stack.settings, Choice(), 10)[1] == 3)
        letters, total = latest(stack.settings, Choice(reason="failed: RuntimeError"), 10)
        assert total == 3
        refused = [orjson.loads(b64decode(letter["value_b64"])) for letter in letters]
        assert {one.get("id", one["tenant_id"]) for one in refused} == POISON
        counted = stack.rows("SELECT count(), uniqExact(id) FROM ops_events FINAL")
        assert counted == [(303, 303)]
        finding = {one.check: one for one in clickhouse_findings(stack.settings)}["quarantine"]
        assert (finding.state, finding.detail[:9]) == ("note", "3 records")
        assert "of acme, poison;" in finding.detail
        status = {record.key for record in stack.read("sla.status")}
        assert {key for key in status if b"poison" in key} == set()
        log = worker.log.read_text()
        assert log.count("it is passed over") == 3
        assert "RuntimeError: poison" in log
