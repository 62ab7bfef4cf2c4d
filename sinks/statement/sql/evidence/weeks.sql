-- Section 5: weeks without a virus-definition update, and outbreak weeks with too few.
-- It repeats what section_5_antivirus.sql of the closing asks, of some tenants only: they are
-- chosen before anything is joined, or a statement would read the facts of all.
WITH
  scopes AS (
    SELECT *
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    WHERE tenant_id IN {tenants:Array(String)}
  ),
  facts AS (
    SELECT *, toString(tenant_id) AS scope, toUnixTimestamp64Micro(time) AS time_us
    FROM counted_antivirus_events(cutoff = {cutoff:Int64})
    WHERE type IN ('definitions.updated', 'outbreak.declared', 'outbreak.ended')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
  ),
  weeks AS (
    SELECT s.tenant_id AS tenant_id, s.outbreak_updates AS updates_due,
      d.week_start_us AS start_us, d.end_us AS end_us
    FROM scopes AS s
    INNER JOIN closing_days(month = {month:Date}, plan = {plan:UInt64}) AS d ON s.days = d.days
    WHERE s.scope != '*' AND d.week_start_us > 0 AND d.end_us <= {cutoff:Int64}
  ),
  updates AS (
    SELECT s.tenant_id AS tenant_id, groupArray(f.time_us) AS times
    FROM scopes AS s
    INNER JOIN facts AS f ON s.scope = f.scope
    WHERE f.type = 'definitions.updated'
      AND f.time_us >= s.start_us - 8 * 86400000000 AND f.time_us < s.end_us
    GROUP BY tenant_id
  ),
  outbreaks AS (
    SELECT
      scope,
      outbreak_id,
      minIf(time_us, type = 'outbreak.declared') AS declared_us,
      arrayFilter(t -> t >= declared_us, groupArrayIf(time_us, type = 'outbreak.ended')) AS ends,
      if(empty(ends), toInt64(9223372036854775807), arrayMin(ends)) AS ended_us
    FROM facts
    WHERE type IN ('outbreak.declared', 'outbreak.ended')
    GROUP BY scope, outbreak_id
    HAVING countIf(type = 'outbreak.declared') > 0
  ),
  threats AS (
    SELECT s.tenant_id AS tenant_id, groupArray((o.declared_us, o.ended_us)) AS spans
    FROM scopes AS s
    INNER JOIN outbreaks AS o ON s.scope = o.scope
    GROUP BY tenant_id
  ),
  counted AS (
    SELECT w.tenant_id AS tenant_id, w.start_us AS start_us, w.end_us AS end_us,
      w.updates_due AS updates_due,
      arrayCount(t -> t >= w.start_us AND t < w.end_us, u.times) AS updates,
      arrayExists(
        o -> o.1 < w.end_us AND (o.2 > w.start_us OR o.1 >= w.start_us), t.spans
      ) AS threatened
    FROM weeks AS w
    LEFT JOIN updates AS u ON w.tenant_id = u.tenant_id
    LEFT JOIN threats AS t ON w.tenant_id = t.tenant_id
  )
SELECT
  tenant_id, indicator, '' AS reference, map('updates', toString(updates)) AS about,
  start_us AS begins_us, end_us AS ends_us, toInt64(0) AS due_us,
  count() OVER (PARTITION BY tenant_id, indicator) AS total
FROM (
  SELECT *,
    arrayJoin(arrayFilter(x -> x != '', [
      if(updates = 0, 'antivirus.definition_updates', ''),
      if(threatened AND updates < updates_due, 'antivirus.outbreak_updates', '')
    ])) AS indicator
  FROM counted
)
ORDER BY tenant_id, indicator, begins_us
LIMIT {shown:UInt32} BY tenant_id, indicator
