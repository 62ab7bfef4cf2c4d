"""The input of a closing: how many events it could read, and a digest of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Final

from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.measure.queries import SETTINGS

_INPUTS: Final = """
SELECT scope, events, digest
FROM closing_inputs(month = {month:Date}, cutoff = {cutoff:Int64})
"""


@dataclass(frozen=True)
class Input:
    """The events of a tenant and the platform landed by a cutoff; equal sets, equal digests."""

    digest: str
    events: int


def read_inputs(
    client: Client, month: date, cutoff_us: int, tenants: Iterable[str]
) -> dict[str, Input]:
    """tenant_id → what a closing of the month at that cutoff has to read."""
    parameters = {"month": month, "cutoff": cutoff_us}
    found = dict.fromkeys([PLATFORM, *tenants], (0, ""))
    # There may be events of very many others, whom nobody asked for.
    with client.query_rows_stream(_INPUTS, parameters=parameters, settings=SETTINGS) as rows:
        for scope, events, digest in rows:
            if scope in found:
                found[scope] = int(events), digest
    common = found.pop(PLATFORM)
    return {tenant: _joined(own, common) for tenant, own in found.items()}


def _joined(own: tuple[int, str], common: tuple[int, str]) -> Input:
    digest = blake2b(f"{own} {common}".encode(), digest_size=16).hexdigest()
    return Input(digest, own[0] + common[0])
