-- Section 7: days without a backup or a recent full one; backups and accounts destroyed early.
-- It repeats what section_7_backup.sql of the closing asks, of some tenants only: they are
-- chosen before anything is joined, or a statement would read the facts of all.
WITH
  scopes AS (
    SELECT *
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    WHERE tenant_id IN {tenants:Array(String)}
  ),
  calendar AS (
    SELECT * FROM closing_days(month = {month:Date}, plan = {plan:UInt64})
  ),
  facts AS (
    SELECT *, toString(tenant_id) AS scope, toUnixTimestamp64Micro(time) AS time_us
    FROM counted_backup_events(cutoff = {cutoff:Int64})
    WHERE toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
  ),
  completed AS (
    SELECT s.tenant_id AS tenant_id,
      groupArray(f.time_us) AS every, groupArrayIf(f.time_us, f.kind = 'full') AS full
    FROM scopes AS s
    INNER JOIN facts AS f ON s.scope = f.scope
    WHERE f.type = 'backup.completed'
      AND f.time_us >= s.start_us - 370 * 86400000000 AND f.time_us < s.end_us
    GROUP BY tenant_id
  ),
  days AS (
    SELECT s.tenant_id AS tenant_id, d.start_us AS start_us, d.end_us AS end_us,
      arrayExists(t -> t >= d.start_us AND t < d.end_us, c.every) AS saved,
      arrayExists(t -> t >= d.full_from_us AND t < d.end_us, c.full) AS saved_in_full
    FROM scopes AS s
    INNER JOIN calendar AS d ON s.days = d.days
    LEFT JOIN completed AS c ON s.tenant_id = c.tenant_id
    WHERE s.scope != '*' AND d.in_part AND d.end_us <= {cutoff:Int64}
  ),
  destroyed AS (
    SELECT s.tenant_id AS tenant_id, s.days AS days,
      if(f.type = 'backup.deleted', 'backup.retention', 'backup.account_retention') AS indicator,
      coalesce(if(f.type = 'backup.deleted', f.backup_id, f.account), '') AS name,
      f.time_us AS time_us,
      toUnixTimestamp64Micro(
        assumeNotNull(if(f.type = 'backup.deleted', f.completed_at, f.locked_at))
      ) AS since_us
    FROM scopes AS s
    INNER JOIN facts AS f ON s.scope = f.scope
    WHERE f.type IN ('backup.deleted', 'account.purged')
      AND f.time_us >= s.start_us AND f.time_us < s.end_us
  ),
  found AS (
    SELECT tenant_id,
      arrayJoin(arrayFilter(x -> x != '', [
        if(saved, '', 'backup.incremental'), if(saved_in_full, '', 'backup.full')
      ])) AS indicator,
      '' AS reference, start_us AS begins_us, end_us AS ends_us, toInt64(0) AS due_us
    FROM days
    UNION ALL
    SELECT x.tenant_id AS tenant_id, x.indicator AS indicator, x.name AS reference,
      x.since_us AS begins_us, x.time_us AS ends_us,
      if(x.indicator = 'backup.retention', d.keep_backup_until_us, d.keep_account_until_us) AS due_us
    FROM destroyed AS x
    ASOF INNER JOIN calendar AS d ON x.days = d.days AND x.since_us >= d.start_us
    WHERE ends_us < due_us
  )
SELECT
  tenant_id, indicator, reference, map('', '') AS about, begins_us, ends_us, due_us,
  count() OVER (PARTITION BY tenant_id, indicator) AS total
FROM found
ORDER BY tenant_id, indicator, begins_us, reference
LIMIT {shown:UInt32} BY tenant_id, indicator
