-- Contract section 3: faults and adjustments as the intervals they add up to, and the days of the
-- year that faults spoil.
WITH
  scopes AS (
    SELECT *
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    WHERE tenant_id = {tenant:String}
  ),
  {% include 'incidents' %}
  intervals AS (
    SELECT s.tenant_id AS tenant_id, s.days AS days, s.start_us AS start_us, i.kind AS kind,
      if(s.scope = '*', concat(i.incident_id, ' (platform)'), assumeNotNull(i.incident_id)) AS name,
      i.opened_us AS from_us, least(i.closed_us, s.until_us) AS to_us
    FROM scopes AS s
    INNER JOIN incidents AS i ON s.scope = i.scope
    WHERE from_us < to_us
  ),
  islands AS (
    SELECT *,
      sum(opens) OVER (PARTITION BY kind ORDER BY from_us, to_us ROWS UNBOUNDED PRECEDING) AS island
    FROM (
      SELECT *,
        from_us > max(to_us) OVER (
          PARTITION BY kind ORDER BY from_us, to_us
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS opens
      FROM intervals
    )
  ),
  merged AS (
    SELECT i.*, e.starts AS starts, e.ends AS ends
    FROM (
      SELECT tenant_id, days, start_us, kind, arrayStringConcat(arraySort(groupUniqArray(name)), ', ') AS names,
        min(from_us) AS from_us, max(to_us) AS to_us
      FROM islands
      GROUP BY tenant_id, days, start_us, kind, island
    ) AS i
    LEFT JOIN (
      SELECT tenant_id, starts, ends
      FROM closing_exclusions(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
      WHERE section = 3
    ) AS e ON i.tenant_id = e.tenant_id
  )
SELECT
  tenant_id,
  arrayJoin(
    if(
      kind = 'fault', ['operations.fault_duration', 'operations.availability'],
      ['operations.adjustment_duration']
    )
  ) AS indicator,
  names AS item,
  greatest(m.from_us, start_us) AS from_us,
  m.to_us AS to_us,
  toInt128(to_us - greatest(m.from_us, start_us)) AS amount,
  if(
    kind = 'fault',
    toInt128(arraySum(
      (s, e) -> greatest(0, least(e, m.to_us) - greatest(s, m.from_us, start_us)), starts, ends
    )),
    toInt128(0)
  ) AS excused,
  true AS counts,
  toString(kind) AS note
FROM merged AS m
WHERE m.to_us > start_us
UNION ALL
SELECT
  m.tenant_id AS tenant_id,
  'operations.fault_free_days' AS indicator,
  concat(toString(c.day), ': ', arrayStringConcat(groupUniqArray(m.names), ', ')) AS item,
  min(greatest(m.from_us, c.start_us)) AS from_us,
  max(least(m.to_us, c.end_us)) AS to_us,
  sum(toInt128(least(m.to_us, c.end_us) - greatest(m.from_us, c.start_us))) AS amount,
  sum(toInt128(arraySum(
    (s, e) -> greatest(0, least(e, m.to_us, c.end_us) - greatest(s, m.from_us, c.start_us)),
    m.starts, m.ends
  ))) AS excused,
  amount > excused AS counts,
  if(any(c.before_month), 'in an earlier month', '') AS note
FROM merged AS m
INNER JOIN closing_days(month = {month:Date}, plan = {plan:UInt64}) AS c ON m.days = c.days
WHERE m.kind = 'fault' AND c.in_year AND c.active
  AND m.from_us < c.end_us AND m.to_us > c.start_us
GROUP BY tenant_id, c.day
