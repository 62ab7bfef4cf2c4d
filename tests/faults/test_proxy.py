"""A network that is late, says things twice and breaks off: nothing is torn, lost or doubled."""

import os
import random

import pytest

from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port
from tests.faults.test_faults import SMALL_STEPS, publish
from tests.faults.test_outages import SLOW
from tests.kafka_proxy import END_TXN, Weather, proxy
from tests.stack import Stack, needs_kafka, say
from tests.undisturbed import assert_all

EVENTS = int(os.environ.get("MAILSLA_EVENTS", "60000"))
SEED = int(os.environ.get("MAILSLA_SEED", "0")) or random.randrange(1, 1 << 30)

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600), SLOW]


class BehindProxy(Stack):
    """A stack whose broker tells those who come through the proxy to go on doing so."""

    def __init__(self, data):
        super().__init__(data, "kafka")
        self.proxy_port = resolve_port(0, "the proxy")
        self.behind_port = resolve_port(0, "the broker's second listener")
        argv, home = self.broker._argv, self.data / "kafka" / "server.properties"

        def with_two_listeners():
            command = argv()
            home.write_text(self._two_listeners(home.read_text()))
            return command

        self.broker._argv = with_two_listeners

    def _two_listeners(self, text):
        added = {
            "listeners=": f",PROXIED://{LOOPBACK}:{self.behind_port}",
            "advertised.listeners=": f",PROXIED://{LOOPBACK}:{self.proxy_port}",
            "listener.security.protocol.map=": ",PROXIED:PLAINTEXT",
        }
        lines = [
            line + next((more for key, more in added.items() if line.startswith(key)), "")
            for line in text.splitlines()
        ]
        return "\n".join([*lines, "inter.broker.listener.name=PLAINTEXT", ""])


@pytest.fixture
def stack(tmp_path):
    needs_kafka()
    made = BehindProxy(tmp_path)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.mark.parametrize(
    "weather",
    [
        pytest.param(Weather(), id="everything"),
        # A commit that is late ends what was begun after it, if nobody takes care.
        pytest.param(Weather(0.0, 0.0, 0.15, frozenset({END_TXN})), id="late-commits"),
    ],
)
def test_nothing_is_torn_by_a_bad_network(stack, weather):
    _, expected = publish(stack, "proxy", EVENTS)
    address = f"{LOOPBACK}:{stack.proxy_port}"
    with (
        proxy(stack.proxy_port, stack.behind_port, weather, SEED) as network,
        stack.workers("streams", "sinks", kafka=address, **SMALL_STEPS) as workers,
    ):
        stack.drain(900)
        restarts = sum(worker.log.count("starting again") for worker in workers)
    done = ", ".join(f"{what} {sum(n for (w, _), n in network.done.items() if w == what)}"
                     for what in ("delayed", "unanswered", "late"))  # fmt: skip
    say(f"seed {SEED}: {done}; {restarts} restarts")
    assert_all(stack, expected)
