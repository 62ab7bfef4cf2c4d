-- Contract section 1: the stretches of the active part in which a tenant is down or known, in
-- order of time, as [from, to) in µs. Time in no stretch that is known is unobserved.
WITH
  periods AS (
    SELECT
      toString(tenant_id) AS tenant_id, probe_hold_factor AS factor,
      has(approval, 'outage') AS checked,
      start_us, least(end_us, {cutoff:Int64}) AS until_us,
      if(
        tenant_id IN (
        SELECT scope
        FROM closing_voices(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
        WHERE speaks != '*'
      ), tenant_id, '*'
      ) AS scope
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64})
    WHERE tenant_id IN {tenants:Array(String)}
  )
SELECT
  p.tenant_id AS tenant_id,
  arraySort(groupArray((
    greatest(s.time_us, p.start_us), least(s.until_us, p.until_us), s.down > 0, s.known > 0
  ))) AS stretches
FROM periods AS p
INNER JOIN closing_connectivity(
  month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}
) AS s ON p.scope = s.scope AND p.factor = s.factor AND p.checked = s.checked
WHERE greatest(s.time_us, p.start_us) < least(s.until_us, p.until_us)
GROUP BY tenant_id
