-- Contract section 7: the days of the month with their backups, and what was destroyed in it.
WITH
  scopes AS (
    SELECT *
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    WHERE tenant_id = {tenant:String}
  ),
  facts AS (
    SELECT s.tenant_id AS own_id, s.days AS days, s.start_us AS start_us, s.end_us AS end_us,
      toUnixTimestamp64Micro(f.time) AS time_us, f.*
    FROM scopes AS s
    INNER JOIN (SELECT *, toString(tenant_id) AS voice FROM counted_backup_events(cutoff = {cutoff:Int64})) AS f
      ON s.scope = f.voice
    WHERE toUnixTimestamp64Micro(f.landed_at) <= {cutoff:Int64} AND time_us < s.end_us
  ),
  completed AS (
    SELECT groupArray(time_us) AS every, groupArrayIf(time_us, kind = 'full') AS full
    FROM facts
    WHERE type = 'backup.completed'
  ),
  destroyed AS (
    SELECT own_id, days, voice, time_us, type = 'backup.deleted' AS is_backup,
      coalesce(if(is_backup, backup_id, account), '') AS name,
      toUnixTimestamp64Micro(assumeNotNull(if(is_backup, completed_at, locked_at))) AS since_us
    FROM facts
    WHERE type IN ('backup.deleted', 'account.purged') AND time_us >= start_us
  )
SELECT
  s.tenant_id AS tenant_id,
  kind AS indicator,
  toString(d.day) AS item,
  if(kind = 'backup.full', d.full_from_us, d.start_us) AS from_us,
  d.end_us AS to_us,
  toInt128(arrayCount(
    t -> t >= from_us AND t < to_us,
    if(kind = 'backup.full', (SELECT full FROM completed), (SELECT every FROM completed))
  )) AS amount,
  toInt128(0) AS excused,
  amount = 0 AS counts,
  concat(toString(amount), if(kind = 'backup.full', ' full backups', ' backups')) AS note
FROM (SELECT *, arrayJoin(['backup.incremental', 'backup.full']) AS kind FROM scopes) AS s
INNER JOIN closing_days(month = {month:Date}, plan = {plan:UInt64}) AS d ON s.days = d.days
WHERE s.scope != '*' AND d.in_part AND d.end_us <= {cutoff:Int64}
UNION ALL
SELECT
  x.own_id AS tenant_id,
  if(x.is_backup, 'backup.retention', 'backup.account_retention') AS indicator,
  x.name AS item,
  min(x.since_us) AS from_us,
  min(x.time_us) AS to_us,
  toInt128(1) AS amount,
  toInt128(0) AS excused,
  max(x.time_us < if(x.is_backup, d.keep_backup_until_us, d.keep_account_until_us)) AS counts,
  concat(
    'to be kept until ',
    toString(fromUnixTimestamp64Micro(
      max(if(x.is_backup, d.keep_backup_until_us, d.keep_account_until_us)), 'UTC'
    )), 'Z'
  ) AS note
FROM destroyed AS x
ASOF INNER JOIN closing_days(month = {month:Date}, plan = {plan:UInt64}) AS d
  ON x.days = d.days AND x.since_us >= d.start_us
-- An account is one, whoever purges it; a backup is its scope's.
GROUP BY tenant_id, indicator, item, if(x.is_backup, x.voice, '')
