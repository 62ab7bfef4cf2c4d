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
{% set topic = 'mail.security' %}
{% set indicators = [
  'security.incidents'
] %}
{% include 'counted_violations' %}
