"""A simulated month lived through by the live task and landed: every table filled, no broker."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from mailsla.schemas.contract import Contract
from mailsla.schemas.topics import LANDED_TOPICS
from mailsla.sinks.ddl import FACT_TABLES
from mailsla.sinks.landing import Landing, LandingDelivery
from mailsla.streams.simulate.plan import SimulationPlan
from tests.integration.landing_server import Batch, ClickHouseProcess
from tests.live_run import BROKER_US, LiveRun, Record, contract_record

_LANDED = frozenset(topic.name for topic in LANDED_TOPICS)
_BATCHES = 16
"""Each is followed by a checkpoint, which tells the states and windows as they are then."""


class SimulatedMonth:
    """What is published goes through one live task; what it tells lands beside the events."""

    def __init__(self, server: ClickHouseProcess) -> None:
        self._server = server
        self._run = LiveRun()
        self._waiting: defaultdict[str, list[bytes | None]] = defaultdict(list)
        self._landed: Counter[str] = Counter()
        """topic → records landed, which is the next one's offset."""

    def live_through(self, plan: SimulationPlan, contracts: Sequence[Contract]) -> None:
        """Publish the contracts and the month, and be idle for three days after its end."""
        self.publish([contract_record(contract) for contract in contracts])
        records = [(each.topic, each.key, each.value) for each in plan.records()]
        size = len(records) // _BATCHES + 1
        for place in range(0, len(records), size):
            self.publish(records[place : place + size])
        self._run.reach(plan.span.at(plan.span.days + 4))
        self._wait(self._told())

    def publish(self, records: Sequence[Record]) -> None:
        """Take records of any input topic through the task; `land` lands them."""
        self._run.feed(list(records))
        self._run.checkpoint()
        # What came is looked at when event time passes a second.
        self._run.pass_time(2.0)
        told = self._told()
        self._wait([*records, *told])
        if rekeyed := [record for record in told if record[0] in FACT_TABLES]:
            self._run.feed(rekeyed)

    def land(self) -> None:
        """Land everything that was published or told since the last time."""
        batches = []
        for topic, values in self._waiting.items():
            batches.append(Batch(topic, values, 0, self._landed[topic], BROKER_US))
            self._landed[topic] += len(values)
        self._waiting.clear()
        asyncio.run(_land(self._server, batches))

    def _told(self) -> list[Record]:
        told = [(each.topic, each.key, each.value) for each in self._run.told]
        self._run.told.clear()
        return told

    def _wait(self, records: Iterable[Record]) -> None:
        for topic, _, value in records:
            if topic in _LANDED:
                self._waiting[topic].append(value)


async def _land(server: ClickHouseProcess, batches: Sequence[Batch]) -> None:
    delivery = LandingDelivery(server.connect)
    try:
        await Landing(delivery, now_us=lambda: BROKER_US).land_all(batches)
    finally:
        await delivery.close()


def contracts_with_fee(plan: SimulationPlan, amount: str) -> list[Contract]:
    """The agreement's default terms for every tenant, with a monthly fee in CNY."""
    fee = {"amount": amount, "currency": "CNY"}
    head = {"version": 1, "effective_from": date(2020, 1, 1), "monthly_fee": fee}
    return [Contract.model_validate({"tenant_id": tenant, **head}) for tenant in plan.tenants]
