-- Section 3: a tenant's own bills with a confirmed error (those of others are not its business);
-- section 4: outside sources not reported to all three; section 6: security incidents.
SELECT *
FROM (
  SELECT
    toString(tenant_id) AS tenant_id,
    'operations.billing_error_rate' AS indicator,
    assumeNotNull(toString(charge_id)) AS reference,
    map('kind', coalesce(toString(any(kind)), '')) AS about,
    toUnixTimestamp64Micro(min(time)) AS begins_us,
    toInt64(0) AS ends_us,
    toInt64(0) AS due_us,
    count() OVER (PARTITION BY tenant_id) AS total
  FROM counted_billing_events(cutoff = {cutoff:Int64})
  WHERE type = 'billing.error_confirmed'
    AND billing_month = formatDateTime({month:Date}, '%Y-%m')
    AND tenant_id IN {tenants:Array(String)}
    AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
  GROUP BY tenant_id, reference
  UNION ALL
  SELECT
    s.tenant_id AS tenant_id,
    'antispam.foreign_source_report' AS indicator,
    f.case_id AS reference,
    map(
      'association', if(has(f.told, 'association'), 'association', ''),
      'provider', if(has(f.told, 'provider'), 'provider', ''),
      'nsp', if(has(f.told, 'nsp'), 'nsp', '')
    ) AS about,
    f.confirmed_us AS begins_us,
    toInt64(0) AS ends_us,
    toInt64(0) AS due_us,
    count() OVER (PARTITION BY tenant_id) AS total
  FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
  INNER JOIN (
    SELECT
      toString(tenant_id) AS scope,
      assumeNotNull(case_id) AS case_id,
      minIf(toUnixTimestamp64Micro(time), type = 'source.confirmed') AS confirmed_us,
      groupUniqArrayIf(coalesce(toString(reported_to), ''), type = 'source.reported') AS told
    FROM counted_abuse_events(cutoff = {cutoff:Int64})
    WHERE type IN ('source.confirmed', 'source.reported')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    GROUP BY scope, case_id
    HAVING countIf(type = 'source.confirmed') > 0
      AND length(arrayFilter(x -> x != '', told)) < 3
  ) AS f ON s.scope = f.scope
  WHERE s.tenant_id IN {tenants:Array(String)}
    AND f.confirmed_us >= s.start_us AND f.confirmed_us < s.end_us
  UNION ALL
  SELECT
    s.tenant_id AS tenant_id,
    'security.incidents' AS indicator,
    assumeNotNull(toString(f.incident_id)) AS reference,
    map('kind', any(f.kind), 'severity', any(toString(f.severity))) AS about,
    min(f.time_us) AS begins_us,
    toInt64(0) AS ends_us,
    toInt64(0) AS due_us,
    count() OVER (PARTITION BY tenant_id) AS total
  FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
  INNER JOIN (
    SELECT *, toString(tenant_id) AS scope, toUnixTimestamp64Micro(time) AS time_us
    FROM counted_security_events(cutoff = {cutoff:Int64})
    WHERE toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
      AND tenant_id IN {tenants:Array(String)}
  ) AS f ON s.scope = f.scope
  WHERE f.time_us >= s.start_us AND f.time_us < s.end_us
  GROUP BY tenant_id, reference
)
ORDER BY tenant_id, indicator, begins_us, reference
LIMIT {shown:UInt32} BY tenant_id, indicator
