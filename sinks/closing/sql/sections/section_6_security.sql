-- Contract section 6 is blank: incidents are counted, and judged where a contract sets a target.
WITH
  violations AS (
    SELECT s.tenant_id AS tenant_id, 'security.incidents' AS indicator,
      uniqExact(f.incident_id) AS violations
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
    INNER JOIN (
      SELECT toString(tenant_id) AS scope, toUnixTimestamp64Micro(time) AS time_us, incident_id
      FROM counted_security_events(cutoff = {cutoff:Int64})
      WHERE toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    ) AS f ON s.scope = f.scope
    WHERE f.time_us >= s.start_us AND f.time_us < s.end_us
    GROUP BY tenant_id
  )
SELECT
  s.tenant_id AS tenant_id,
  s.indicator AS indicator,
  toInt256(v.violations) AS num,
  toInt256(1) AS den,
  num AS raw_num,
  toInt256(1) AS raw_den,
  toInt256(0) AS excluded_num,
  toInt256(1) AS excluded_den,
  toUInt64(v.violations) AS evidence_count,
  true AS has_data,
  false AS settled
FROM (
  SELECT
    tenant_id,
    arrayJoin([
      'security.incidents'
    ]) AS indicator
  FROM closing_spoken(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
  WHERE topic = 'mail.security'
) AS s
LEFT JOIN violations AS v ON s.tenant_id = v.tenant_id AND s.indicator = v.indicator
