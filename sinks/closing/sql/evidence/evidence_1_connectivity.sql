-- Contract section 1: every stretch of the month in which a tenant was down, cut at the period's
-- edges, and what of it is excluded.
WITH
  viewer AS (
    SELECT
      s.tenant_id AS tenant_id, p.probe_hold_factor AS factor,
      has(p.approval, 'outage') AS checked, s.start_us AS start_us, s.until_us AS until_us,
      if(s.scope IN (
        SELECT scope
        FROM closing_voices(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
        WHERE speaks != '*'
      ), s.scope, '*') AS voice,
      e.starts AS starts, e.ends AS ends
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
    INNER JOIN closing_periods(month = {month:Date}, plan = {plan:UInt64}) AS p
      ON s.tenant_id = toString(p.tenant_id)
    LEFT JOIN (
      SELECT tenant_id, starts, ends
      FROM closing_exclusions(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
      WHERE section = 1
    ) AS e ON s.tenant_id = e.tenant_id
    WHERE s.tenant_id = {tenant:String} AND s.scope != '*'
  )
SELECT
  v.tenant_id AS tenant_id,
  arrayJoin(['connectivity.downtime', 'connectivity.ratio']) AS indicator,
  if(v.voice = '*', 'down (probes of the platform)', 'down (own probes)') AS item,
  greatest(c.time_us, v.start_us) AS from_us,
  least(c.until_us, v.until_us) AS to_us,
  toInt128(to_us - from_us) AS amount,
  toInt128(arraySum(
    (s, e) -> greatest(0, least(e, to_us) - greatest(s, from_us)), v.starts, v.ends
  )) AS excused,
  true AS counts,
  '' AS note
FROM viewer AS v
INNER JOIN closing_connectivity(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS c
  ON v.voice = c.scope AND v.factor = c.factor AND v.checked = c.checked
WHERE c.down AND from_us < to_us
