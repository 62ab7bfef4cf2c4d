"""What a simulated month holds, so that injected and found can stand side by side."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TenantTruth:
    """What was injected for one tenant. Durations are seconds.

    ``sent`` and ``received`` messages were dispatched and delivered, ``unfinished`` never. The
    mean latencies leave out what is excused. ``exceedances`` are those that count, unfinished
    messages included; ``exceedances_left_out`` those that exclusions or liability excuse.
    ``outage_s`` is the union of outages, the platform's included; ``excused_s`` the part that
    exclusions take out. ``breached`` holds indicator ids.
    """

    tenant_id: str
    story: str
    sent: int
    received: int
    unfinished: int
    send_mean_s: float | None
    receive_mean_s: float | None
    exceedances: int
    exceedances_left_out: int
    outage_s: int
    excused_s: int
    fault_s: int
    adjustment_s: int
    breached: frozenset[str]

    @property
    def messages(self) -> int:
        """Messages accepted in the month."""
        return self.sent + self.received + self.unfinished


@dataclass(frozen=True)
class Truth:
    """What was injected: per tenant, and in the log as a whole.

    ``events`` counts distinct good events by topic; ``bad`` records by kind, see
    `mailsla.streams.simulate.bad.BAD_KINDS`. ``duplicates`` are further copies, ``late`` and
    ``miskeyed`` are among the events.
    """

    month: str
    tenants: Mapping[str, TenantTruth]
    events: Mapping[str, int]
    bad: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    late: int = 0
    miskeyed: int = 0
    tombstones: int = 0

    @property
    def messages(self) -> int:
        """Messages of all tenants."""
        return sum(tenant.messages for tenant in self.tenants.values())

    @property
    def records(self) -> int:
        """Records published."""
        good = sum(self.events.values())
        return good + self.duplicates + sum(self.bad.values()) + self.tombstones
