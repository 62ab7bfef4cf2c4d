-- Section 3: a tenant's own bills with a confirmed error (those of others are not its business);
-- section 6: its security incidents.
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
  FROM billing_events FINAL
  WHERE type = 'billing.error_confirmed'
    AND billing_month = formatDateTime({month:Date}, '%Y-%m')
    AND tenant_id IN {tenants:Array(String)}
    AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
  GROUP BY tenant_id, reference
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
    FROM security_events FINAL
    WHERE toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
      AND tenant_id IN {tenants:Array(String)}
  ) AS f ON s.scope = f.scope
  WHERE f.time_us >= s.start_us AND f.time_us < s.end_us
  GROUP BY tenant_id, reference
)
ORDER BY tenant_id, indicator, begins_us, reference
LIMIT {shown:UInt32} BY tenant_id, indicator
