"""A month of facts for many tenants, made inside ClickHouse: something for every indicator.

Every statement takes ``tenants``, ``start`` (the month's first second, Asia/Shanghai) and, for
messages, ``count``. Numbers come from hashes, so that a second run makes the same facts.
"""

from datetime import date

from mailsla.sinks.clickhouse import Client

MONTH = date(2025, 10, 1)
"""The month the facts are of; 31 days."""

_START = 1_759_248_000
_CHUNK = 2_000_000
_DAY = 86_400
_TENANT = "format('t{}', leftPad(toString(number % {tenants:UInt32}), 5, '0'))"
_DRAW = "cityHash64(number) % 2678400"
_OWN_ID = "concat(type, '/', toString(number)) AS id, 'bench' AS source"


def _at(seconds: str) -> str:
    """An instant so many seconds after the month's start."""
    return f"fromUnixTimestamp64Milli(toInt64(({{start:UInt32}} + ({seconds})) * 1000), 'UTC')"


_MESSAGES = f"""
INSERT INTO mta_events (id, source, type, tenant_id, message_id, direction, recipient,
                        accepted_at, time, size_bytes, estimate, attempt, topic, offset)
WITH intDiv(number, {{tenants:UInt32}}) % 2 = 1 AS outgoing
SELECT hex(number), 'mx1.example.net/postfix',
       if(outgoing, 'message.dispatched', 'message.delivered'), {_TENANT},
       hex(number), if(outgoing, 'outbound', 'inbound'),
       format('u{{}}@example.cn', toString(number % 1000000)),
       {_at(_DRAW)} AS accepted,
       accepted + toIntervalMillisecond(
           if(cityHash64(number, 1) % 200000 = 0, 3700000, 200 + cityHash64(number, 2) % 9000)),
       20000, 'exact', if(outgoing, 1, NULL), 'mail.mta', number
FROM numbers({{first:UInt64}}, {{count:UInt64}})
"""

_THIN = {
    # Own probes of all four capabilities once a day; the platform's every five minutes.
    "tenants' probes": f"""
        INSERT INTO probe_events (type, id, source, tenant_id, probe, channel, capability, scope,
                                  ok, interval_s, time)
        SELECT 'probe.result' AS type, {_OWN_ID}, {_TENANT}, 'own', 'web',
               ['send', 'receive'][1 + intDiv(number, {{tenants:UInt32}}) % 2],
               ['internal', 'external'][1 + intDiv(number, 2 * {{tenants:UInt32}}) % 2],
               cityHash64(number) % 100 > 0, 43200,
               {_at(f"intDiv(number, 4 * {{tenants:UInt32}}) * {_DAY}")}
        FROM numbers(31 * 4 * {{tenants:UInt32}})""",
    "platform's probes": f"""
        INSERT INTO probe_events (type, id, source, tenant_id, probe, channel, capability, scope,
                                  ok, interval_s, time)
        SELECT 'probe.result' AS type, concat('p', toString(number)), 'bench', '*', 'all', 'smtp',
               ['send', 'receive'][1 + number % 2],
               ['internal', 'external'][1 + intDiv(number, 2) % 2],
               cityHash64(number) % 5000 > 0, 300, {_at("intDiv(number, 4) * 300")}
        FROM numbers(4 * 31 * 288)""",
    "pages": f"""
        INSERT INTO probe_events (type, id, source, tenant_id, bandwidth, load_ms, time)
        SELECT 'page.loaded' AS type, {_OWN_ID}, {_TENANT},
               ['narrowband', 'broadband'][1 + intDiv(number, {{tenants:UInt32}}) % 2],
               2000 + cityHash64(number) % 9000, {_at(_DRAW)}
        FROM numbers(2 * {{tenants:UInt32}})""",
    "incidents": f"""
        INSERT INTO ops_events (type, id, source, tenant_id, incident_id, kind, time)
        SELECT ['incident.opened', 'incident.closed'][1 + number % 2] AS type, {_OWN_ID},
               {_TENANT.replace("number", "intDiv(number, 2) * 5")},
               toString(intDiv(number, 2)),
               if(number % 2, NULL, ['fault', 'adjustment'][1 + intDiv(number, 2) % 2]),
               {_at("cityHash64(intDiv(number, 2)) % 2600000 + 900 * (number % 2)")}
        FROM numbers(2 * intDiv({{tenants:UInt32}}, 5))""",
    "exclusions": f"""
        INSERT INTO ops_events (type, id, source, tenant_id, exclusion_id, code, starts_at,
                                ends_at, time)
        SELECT 'exclusion.declared' AS type, {_OWN_ID},
               {_TENANT.replace("number", "number * 10")}, toString(number), 'carrier',
               {_at(_DRAW)} AS begun, begun + toIntervalHour(2), begun
        FROM numbers(intDiv({{tenants:UInt32}}, 10))""",
    "heartbeats": f"""
        INSERT INTO ops_events (type, id, source, tenant_id, monitor, interval_s, time)
        SELECT 'monitor.heartbeat' AS type, {_OWN_ID}, '*', 'noc', 300, {_at("number * 300")}
        FROM numbers(31 * 288)""",
    "definitions": f"""
        INSERT INTO antivirus_events (type, id, source, tenant_id, engine, version,
                                      outbreak_id, time)
        SELECT if(number = 6, 'outbreak.declared', 'definitions.updated') AS type, {_OWN_ID},
               '*', if(number = 6, NULL, 'clamav'), toString(number),
               if(number = 6, 'o1', NULL), {_at(f"number * 3 * {_DAY}")}
        FROM numbers(11)""",
    "scans": f"""
        INSERT INTO antivirus_events (type, id, source, tenant_id, message_id, mailbox, verdict,
                                      action, policy, scan_ms, time)
        SELECT 'message.scanned' AS type, {_OWN_ID}, {_TENANT}, hex(number), 'a@example.cn',
               if(cityHash64(number) % 2000 > 0, 'clean', 'skipped'), 'none', 'clean', 40,
               {_at(_DRAW)}
        FROM numbers(10 * {{tenants:UInt32}})""",
    "backups": f"""
        INSERT INTO backup_events (type, id, source, tenant_id, backup_id, kind, started_at, time)
        SELECT 'backup.completed' AS type, {_OWN_ID}, '*', toString(number),
               if(number % 2, 'full', 'incremental'),
               {_at(f"number * {_DAY} + 7200")}, {_at(f"number * {_DAY} + 9000")}
        FROM numbers(31)""",
    "purges": f"""
        INSERT INTO backup_events (type, id, source, tenant_id, backup_id, account, locked_at,
                                   completed_at, time)
        SELECT ['account.purged', 'backup.deleted'][1 + intDiv(number, {{tenants:UInt32}})] AS type,
               {_OWN_ID}, {_TENANT}, toString(number), 'gone@example.cn',
               {_at("0")} - toIntervalDay(80 + cityHash64(number) % 100) AS before, before,
               {_at(_DRAW)}
        FROM numbers(2 * {{tenants:UInt32}})""",
    "charges": f"""
        INSERT INTO billing_events (type, id, source, tenant_id, charge_id, amount, currency,
                                    billing_month, time)
        SELECT if(number < {{tenants:UInt32}}, 'customer.charged', 'billing.error_confirmed')
                   AS type,
               {_OWN_ID}, {_TENANT}, toString(number), 100, 'CNY', '2025-10', {_at(_DRAW)}
        FROM numbers({{tenants:UInt32}} + 1)""",
    "orders": f"""
        INSERT INTO billing_events (type, id, source, tenant_id, order_id, domain_kind,
                                    notified_at, time)
        SELECT ['payment.confirmed', 'service.opened'][1 + number % 2] AS type, {_OWN_ID},
               {_TENANT.replace("number", "intDiv(number, 2)")} AS tenant,
               toString(intDiv(number, 2)), ['own', 'new'][1 + intDiv(number, 4) % 2],
               {_at("cityHash64(intDiv(number, 2)) % 2500000 + 80000 * (number % 2)")} AS done,
               done
        FROM numbers(4 * {{tenants:UInt32}})""",
    "complaints": f"""
        INSERT INTO abuse_events (type, id, source, tenant_id, case_id, origin, time)
        SELECT ['complaint.received', 'complaint.responded', 'complaint.result_notified']
                   [1 + number % 3] AS type, {_OWN_ID},
               {_TENANT.replace("number", "intDiv(number, 3)")}, toString(intDiv(number, 3)),
               if(number % 3 > 0, NULL, 'own_domain'),
               {_at("cityHash64(intDiv(number, 3)) % 2400000 + 80000 * (number % 3)")}
        FROM numbers(3 * {{tenants:UInt32}})""",
    "lists": f"""
        INSERT INTO abuse_events (type, id, source, tenant_id, list_id, listing_id, case_id, time)
        SELECT ['blocklist.published', 'blocklist.processed', 'listing.detected',
                'listing.reported', 'source.confirmed'][1 + number % 5] AS type, {_OWN_ID}, '*',
               toString(intDiv(number, 5)), toString(intDiv(number, 5)),
               toString(intDiv(number, 5)), {_at("intDiv(number, 5) * 86400 + 3600 * (number % 5)")}
        FROM numbers(5 * 30)""",
    "channels": f"""
        INSERT INTO support_events (type, id, source, tenant_id, channel, time)
        SELECT if(number % 7 > 0, 'channel.up', 'channel.down') AS type, {_OWN_ID}, '*',
               ['phone', 'mail', 'web'][1 + number % 3], {_at("number * 3600")}
        FROM numbers(744)""",
    "intrusions": f"""
        INSERT INTO security_events (type, id, source, tenant_id, incident_id, kind, severity, time)
        SELECT 'security.incident' AS type, {_OWN_ID}, {_TENANT.replace("number", "number * 50")},
               toString(number), 'login', 'low', {_at(_DRAW)}
        FROM numbers(1 + intDiv({{tenants:UInt32}}, 50))""",
}


def make_facts(client: Client, tenants: int, messages: int) -> None:
    """Fill the fact tables with `MONTH`; ``messages`` rows of ``mta_events``."""
    parameters = {"tenants": tenants, "start": _START}
    for first in range(0, messages, _CHUNK):
        piece = {"first": first, "count": min(_CHUNK, messages - first)}
        client.command(_MESSAGES, parameters=parameters | piece)
    for statement in _THIN.values():
        client.command(statement, parameters=parameters)
