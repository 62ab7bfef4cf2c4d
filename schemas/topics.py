"""Every topic of the interface: its name, clean-up policy and retention."""

from dataclasses import dataclass
from typing import Final, Literal

DAY_MS: Final = 86_400_000

Cleanup = Literal["delete", "compact", "compact,delete"]


@dataclass(frozen=True)
class Topic:
    """One Kafka topic.

    ``retention_days`` is ``None`` for ever. All topics have the same number of partitions, so that
    everything about one tenant is in partition p of each.
    """

    name: str
    about: str
    cleanup: Cleanup = "delete"
    retention_days: int | None = 14
    broker_time: bool = False
    """Whether the broker stamps records: what is too far ahead is then a fact of the log, and which
    record is the newest does not rest on a producer's clock."""

    def config(self) -> dict[str, str]:
        """Topic configuration as Kafka names it."""
        retention = -1 if self.retention_days is None else self.retention_days * DAY_MS
        config = {"cleanup.policy": self.cleanup, "retention.ms": str(retention)}
        if self.broker_time:
            config["message.timestamp.type"] = "LogAppendTime"
        return config


def _events(name: str, about: str) -> Topic:
    return Topic(name, about, retention_days=14, broker_time=True)


MTA: Final = _events("mail.mta", "what became of each message")
PROBE: Final = _events("mail.probe", "results of probes and page loads")
OPS: Final = _events("mail.ops", "incidents, exclusions, monitoring")
ANTIVIRUS: Final = _events("mail.antivirus", "definitions, outbreaks, scans")
BACKUP: Final = _events("mail.backup", "backups and retained accounts")
BILLING: Final = _events("mail.billing", "charges, billing errors, orders")
ABUSE: Final = _events("mail.abuse", "complaints, spam sources, block lists")
SUPPORT: Final = _events("mail.support", "customer-service channels and tickets")
SECURITY: Final = _events("mail.security", "security incidents")

EVENT_TOPICS: Final = (
    MTA, PROBE, OPS, ANTIVIRUS, BACKUP, BILLING, ABUSE, SUPPORT, SECURITY,
)  # fmt: skip

CONTRACTS: Final = Topic(
    "sla.contracts", "contract documents, one per version", "compact", None, broker_time=True
)
CALENDARS: Final = Topic(
    "sla.calendars", "working days of one's own, by name", "compact", None, broker_time=True
)
RAW_MAILLOG: Final = Topic("raw.maillog", "mail-log lines as shippers send them", broker_time=True)

WINDOWS: Final = Topic("sla.windows", "rolling window values", retention_days=7)
OUTAGES: Final = Topic("sla.outages", "connectivity outages", "compact,delete", 400)
BREACHES: Final = Topic("sla.breaches", "the breach feed", retention_days=400)
STATUS: Final = Topic(
    "sla.status", "present state of each indicator", "compact", None, broker_time=True
)
CLOSINGS: Final = Topic("sla.closings", "closed tenant-months", retention_days=None)
DEAD_LETTERS: Final = Topic("sla.dead_letters", "what could not be accepted", retention_days=30)

RESULT_TOPICS: Final = (WINDOWS, OUTAGES, BREACHES, STATUS, CLOSINGS, DEAD_LETTERS)

LANDED_TOPICS: Final = (
    *EVENT_TOPICS, CONTRACTS, CALENDARS, WINDOWS, OUTAGES, BREACHES, STATUS, DEAD_LETTERS,
)  # fmt: skip
"""What the sinks land. A closing writes its own tables before it is published."""

STREAMS_STATE: Final = Topic("mailsla.streams.state", "state of the live worker", "compact", None)
ASSEMBLER_STATE: Final = Topic(
    "mailsla.assembler.state", "open messages of the mail-log assembler", "compact", None
)
BROADCAST: Final = Topic("mailsla.platform", "what every live task must know", retention_days=800)
INTERNAL_TOPICS: Final = (STREAMS_STATE, ASSEMBLER_STATE, BROADCAST)

ALL_TOPICS: Final = (
    *EVENT_TOPICS, CONTRACTS, CALENDARS, RAW_MAILLOG, *RESULT_TOPICS, *INTERNAL_TOPICS,
)  # fmt: skip
