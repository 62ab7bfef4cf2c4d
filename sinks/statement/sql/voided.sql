-- Events of the month that were taken out by the cutoff: the tenant's own and the platform's.
WITH
  voids AS (
    SELECT
      assumeNotNull(toString(voids_topic)) AS topic, assumeNotNull(voids_source) AS source,
      assumeNotNull(voids_id) AS id,
      argMin((coalesce(reason, ''), coalesce(actor, '')), (landed_at, `offset`)) AS said,
      toUnixTimestamp64Micro(min(landed_at)) AS voided_us
    FROM ops_events FINAL
    WHERE type = 'event.voided' AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    GROUP BY topic, source, id
  ),
  identities AS (SELECT source, id FROM voids),
  events AS (
    SELECT 'mail.mta' AS topic, toString(tenant_id) AS scope, toString(source) AS source, id,
      toString(type) AS type, toUnixTimestamp64Micro(coalesce(accepted_at, time)) AS time_us
    FROM mta_events WHERE tenant_id IN {tenants:Array(String)} AND (source, id) IN identities
    {% for topic, table in fact_tables.items() if table != 'mta_events' %}
    UNION ALL
    SELECT '{{ topic }}', toString(tenant_id), toString(source), id, toString(type),
      toUnixTimestamp64Micro(time)
    FROM {{ table }} WHERE (source, id) IN identities
    {% endfor %}
  )
SELECT DISTINCT
  s.tenant_id AS tenant_id,
  concat(e.source, '#', e.id) AS reference,
  e.type AS type,
  e.time_us AS time_us,
  v.said.1 AS reason,
  v.said.2 AS actor,
  v.voided_us AS voided_us
FROM events AS e
INNER JOIN voids AS v ON e.topic = v.topic AND e.source = v.source AND e.id = v.id
INNER JOIN closing_scopes(
  month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}
) AS s ON s.scope = e.scope
WHERE s.tenant_id IN {tenants:Array(String)} AND e.time_us >= s.start_us AND e.time_us < s.end_us
ORDER BY tenant_id, time_us, reference
