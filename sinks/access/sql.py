"""The roles as SQL for a ClickHouse server of one's own: repeatable, run by an administrator."""

import re
from collections.abc import Iterator
from typing import Final

from mailsla.sinks.access.roles import OWN_ROWS, ROLES, TENANT, TENANT_TABLES

_DATABASE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_HEAD: Final = """\
-- Roles of mailsla, each with the least it needs. Made by `mailsla migrate --print-roles`.
-- Run by an administrator, after `mailsla migrate`; may be repeated. Then a user for each program:
--   CREATE USER sla_sinks IDENTIFIED BY '…' DEFAULT ROLE {database}_writer;
--   GRANT {database}_writer TO sla_sinks;
-- A tenant's user is named tenant_ID and sees the rows of tenant ID:
--   CREATE USER tenant_acme IDENTIFIED BY '…' DEFAULT ROLE {database}_tenant;
--   GRANT {database}_tenant TO tenant_acme;
"""


def roles_sql(database: str) -> str:
    """The script for one database; ``database`` is a plain identifier."""
    if not _DATABASE.fullmatch(database):
        raise ValueError("the database's name must be a plain identifier")
    return _HEAD.format(database=database) + "\n".join(_statements(database)) + "\n"


def _statements(database: str) -> Iterator[str]:
    for role in ROLES:
        name = f"{database}_{role.name}"
        yield f"\n-- {role.purpose}"
        settings = " SETTINGS readonly = 1" if role.readonly else ""
        yield f"CREATE ROLE IF NOT EXISTS {name}{settings};"
        for grant in role.former_grants:
            revoked = grant.format(database=database).replace("GRANT", "REVOKE", 1)
            yield f"{revoked} FROM {name};"
        for grant in role.grants:
            yield f"{grant.format(database=database)} TO {name};"
    tenant = f"{database}_{TENANT.name}"
    yield "\n-- A tenant sees its own rows, everybody else all of them."
    for table in TENANT_TABLES:
        place = f"{database}.{table}"
        yield (
            f"CREATE ROW POLICY OR REPLACE {database}_own ON {place} USING {OWN_ROWS} TO {tenant};"
        )
        yield (
            f"CREATE ROW POLICY OR REPLACE {database}_all ON {place}"
            f" USING 1 TO ALL EXCEPT {tenant};"
        )
