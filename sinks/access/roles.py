"""The roles of the ClickHouse database, each with the least it needs.

The embedded server's ``users.xml`` and the SQL for a server of one's own are both made from here.
A grant is written without its ``TO``, with ``{database}`` where the database's name goes.
"""

from dataclasses import dataclass
from typing import Final

_ENGINES: Final = ("MergeTree", "ReplacingMergeTree", "Memory")
_PLANS: Final = ("plans", "plan_tenants", "plan_terms", "plan_days", "plan_failures")
TENANT_TABLES: Final = (
    "abuse_events",
    "antivirus_events",
    "backup_events",
    "billing_events",
    "breaches",
    "closing_item_log",
    "closing_log",
    "contracts",
    "credit_log",
    "mta_events",
    "ops_events",
    "outages",
    "probe_events",
    "security_events",
    "status",
    "support_events",
    "windows",
)
"""What a tenant may look into, its own rows only: each has a column ``tenant_id``."""
TENANT_VIEWS: Final = ("closing_items", "closings", "credits", "exclusions")
"""Views over those tables alone, which read with the rights of who asks. The live views are left
out: they measure one tenant by what happened to all (billing errors, the platform), which it must
not see."""

_ANALYST_TABLES: Final = (*TENANT_TABLES, "calendars", "dead_letters")
ANALYST_VIEWS: Final = (
    "cases_month",
    "closed_results",
    "conflicts",
    "downtime_month",
    "evidence_1_connectivity",
    "evidence_2_latency",
    "evidence_3_faults",
    "evidence_3_service",
    "evidence_4_antispam",
    "evidence_5_antivirus",
    "evidence_6_security",
    "evidence_7_backup",
    "evidence_8_provisioning",
    "evidence_9_support",
    "exceedances",
    "faults_month",
    "latency_month",
    "left_out",
    "sources",
)
"""Views that read with the rights of who made them: an analyst sees them, not what is below."""
OPEN_MONTHS: Final = "closing_open_*"
"""Views with the rights of who made them, which `clause_results` looks for by their names. It
cannot have such rights itself: there the server loses a table that is found by its name."""
_LIVE_VIEWS: Final = ("clause_results", "tenant_month_summary")


@dataclass(frozen=True)
class Role:
    """A role: what it is for, and its grants."""

    name: str
    purpose: str
    grants: tuple[str, ...]
    readonly: bool = False
    """Whether it may neither write nor change a setting."""
    former_grants: tuple[str, ...] = ()
    """What an earlier release granted it and this one takes back."""


_READ: Final = "GRANT SELECT ON {database}.*"
_INSERT: Final = "GRANT INSERT ON {database}.*"
_CHANGE_PLANS: Final = tuple(f"GRANT ALTER DELETE ON {{database}}.{table}" for table in _PLANS)
# A month that is planned for the first time gets its view.
_OPEN_MONTHS: Final = f"GRANT CREATE VIEW ON {{database}}.{OPEN_MONTHS}"
_CATALOGUE: Final = (
    "GRANT SELECT ON system.databases",
    "GRANT SELECT ON system.tables",
    "GRANT SELECT ON system.columns",
)
# A closing waits for the INSERTs of others.
_UNDER_WAY: Final = "GRANT SELECT ON system.processes"

MIGRATOR: Final = Role(
    "migrator",
    "mailsla migrate: makes and changes tables and views",
    (
        "GRANT SELECT, INSERT, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW,"
        " ALTER TABLE, ALTER VIEW ON {database}.*",
        *(f"GRANT TABLE ENGINE ON {engine}" for engine in _ENGINES),
        *_CATALOGUE,
    ),
)
WRITER: Final = Role(
    "writer",
    "mailsla worker sinks: lands rows, keeps the plans of the live views",
    (_READ, _INSERT, *_CHANGE_PLANS, _OPEN_MONTHS, *_CATALOGUE),
)
CLOSER: Final = Role(
    "closer",
    "mailsla close, explain, audit: adds revisions and credits, holds the lock of a month",
    (
        _READ,
        _INSERT,
        *_CHANGE_PLANS,
        _OPEN_MONTHS,
        "GRANT CREATE TABLE, DROP TABLE, ALTER MODIFY COMMENT ON {database}.closing_lock_*",
        "GRANT TABLE ENGINE ON Memory",
        *_CATALOGUE,
        _UNDER_WAY,
    ),
)
READER: Final = Role(
    "reader",
    "the web page and other programs of mailsla that only read, internals too",
    (_READ, *_CATALOGUE),
    readonly=True,
)
ANALYST: Final = Role(
    "analyst",
    "people and their tools: the tables and views that are kept stable, and no other is to be seen",
    (
        *(
            f"GRANT SELECT ON {{database}}.{name}"
            for name in sorted(
                {*_ANALYST_TABLES, *ANALYST_VIEWS, *TENANT_VIEWS, *_LIVE_VIEWS, OPEN_MONTHS}
            )
        ),
        *_CATALOGUE,
    ),
    readonly=True,
    former_grants=(_READ,),
)
TENANT: Final = Role(
    "tenant",
    "one customer: its own rows of the tables that tell of it",
    tuple(f"GRANT SELECT ON {{database}}.{table}" for table in (*TENANT_TABLES, *TENANT_VIEWS)),
    readonly=True,
)
TENANT_USER_PREFIX: Final = "tenant_"
OWN_ROWS: Final = f"tenant_id = substring(currentUser(), {len(TENANT_USER_PREFIX) + 1})"
"""The row policy of the tenant role: user ``tenant_acme`` sees the rows of tenant ``acme``."""
ROLES: Final = (MIGRATOR, WRITER, CLOSER, READER, ANALYST, TENANT)
