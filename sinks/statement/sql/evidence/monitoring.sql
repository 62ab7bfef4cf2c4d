-- Section 3: stretches of the month that no monitor covered, of the tenants in `slow`; a heartbeat
-- holds for two of its intervals.
WITH
  beats AS (
    SELECT s.tenant_id AS tenant_id,
      greatest(b.from_us, s.start_us) AS from_us, least(b.to_us, s.until_us) AS to_us
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
    INNER JOIN (
      SELECT toString(tenant_id) AS scope, toUnixTimestamp64Micro(time) AS from_us,
        from_us + 2 * toInt64(floor(assumeNotNull(interval_s) * 1000000 + 0.5)) AS to_us
      FROM counted_ops_events(cutoff = {cutoff:Int64})
      WHERE type = 'monitor.heartbeat'
        AND (tenant_id IN {slow:Array(String)} OR tenant_id = '*')
        AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    ) AS b ON s.scope = b.scope
    WHERE s.tenant_id IN {slow:Array(String)} AND b.from_us < s.until_us AND b.to_us > s.start_us
    UNION ALL
    -- The edges of the month, so that what lies before the first beat and after the last is seen.
    SELECT tenant_id, arrayJoin([start_us, until_us]) AS from_us, from_us AS to_us
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    WHERE tenant_id IN {slow:Array(String)} AND scope = '*'
  )
SELECT
  tenant_id, 'operations.monitoring' AS indicator, '' AS reference, map('', '') AS about,
  covered_us AS begins_us, from_us AS ends_us, toInt64(0) AS due_us,
  count() OVER (PARTITION BY tenant_id) AS total
FROM (
  SELECT *,
    max(to_us) OVER (
      PARTITION BY tenant_id ORDER BY from_us, to_us
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS covered_us
  FROM beats
)
WHERE covered_us > 0 AND covered_us < from_us
ORDER BY tenant_id, begins_us
LIMIT {shown:UInt32} BY tenant_id
