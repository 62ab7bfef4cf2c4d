"""A network that is late, says things twice and breaks off: nothing is torn, lost or doubled."""

import asyncio
import os
import random

import pytest

from mailsla.sinks.embedded.ports import LOOPBACK, resolve_port
from mailsla.streams.runtime.checkpoint.writer import supports_transactions
from tests.faults.test_faults import SMALL_STEPS, publish
from tests.faults.test_outages import SLOW
from tests.kafka_proxy import END_TXN, INIT_PRODUCER_ID, Weather, proxy
from tests.stack import Stack, needs_kafka, say
from tests.undisturbed import assert_all

EVENTS = int(os.environ.get("MAILSLA_EVENTS", "60000"))
SLOW_S = 12.0 if "MAILSLA_FAULTS" in os.environ else 6.0
SEED = int(os.environ.get("MAILSLA_SEED", "0")) or random.randrange(1, 1 << 30)

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(3_600)]


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
def made(tmp_path):
    needs_kafka()
    stack = BehindProxy(tmp_path)
    try:
        yield stack
    finally:
        stack.stop()


def test_a_broker_that_is_slow_to_answer_is_not_taken_for_one_without_transactions(made):
    made.broker.start()
    settings = made.settings.model_copy(update={"kafka": f"{LOOPBACK}:{made.proxy_port}"})
    weather = Weather(1.0, keys=frozenset({INIT_PRODUCER_ID}), delay_s=(SLOW_S, SLOW_S))
    with proxy(made.proxy_port, made.behind_port, weather, SEED):
        assert asyncio.run(supports_transactions(settings))


@SLOW
@pytest.mark.parametrize(
    "weather",
    [
        pytest.param(Weather(), id="everything"),
        # A commit that is late ends what was begun after it, if nobody takes care.
        pytest.param(Weather(0.0, 0.0, 0.15, frozenset({END_TXN})), id="late-commits"),
    ],
)
def test_nothing_is_torn_by_a_bad_network(made, weather):
    stack = made.start()
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
