-- Contract section 7: days without a backup, without a recent full one; what was destroyed early.
WITH
  scopes AS (
    SELECT *
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
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
  served AS (
    SELECT s.tenant_id AS tenant_id,
      arrayExists(t -> t >= d.start_us AND t < d.end_us, c.every) AS saved,
      arrayExists(t -> t >= d.full_from_us AND t < d.end_us, c.full) AS saved_in_full
    FROM scopes AS s
    INNER JOIN calendar AS d ON s.days = d.days
    LEFT JOIN completed AS c ON s.tenant_id = c.tenant_id
    WHERE s.scope != '*' AND d.in_part AND d.end_us <= {cutoff:Int64}
  ),
  destroyed AS (
    SELECT s.tenant_id AS tenant_id, s.days AS days, f.scope AS scope, f.time_us AS time_us,
      f.type = 'backup.deleted' AS is_backup,
      coalesce(if(is_backup, f.backup_id, f.account), '') AS name,
      toUnixTimestamp64Micro(assumeNotNull(if(is_backup, f.completed_at, f.locked_at))) AS since_us
    FROM scopes AS s
    INNER JOIN facts AS f ON s.scope = f.scope
    WHERE f.type IN ('backup.deleted', 'account.purged')
      AND f.time_us >= s.start_us AND f.time_us < s.end_us
  ),
  -- What is older than the first day of the calendar has been kept long enough.
  kept AS (
    SELECT x.tenant_id AS tenant_id, x.scope AS scope, x.name AS name, x.is_backup AS is_backup,
      x.time_us < if(x.is_backup, d.keep_backup_until_us, d.keep_account_until_us) AS early
    FROM destroyed AS x
    ASOF INNER JOIN calendar AS d ON x.days = d.days AND x.since_us >= d.start_us
  ),
  violations AS (
    SELECT tenant_id, 'backup.incremental' AS indicator, countIf(NOT saved) AS violations
    FROM served
    GROUP BY tenant_id
    UNION ALL
    SELECT tenant_id, 'backup.full' AS indicator, countIf(NOT saved_in_full) AS violations
    FROM served
    GROUP BY tenant_id
    UNION ALL
    SELECT tenant_id, 'backup.retention' AS indicator,
      uniqExactIf((scope, name), is_backup AND early) AS violations
    FROM kept
    GROUP BY tenant_id
    UNION ALL
    SELECT tenant_id, 'backup.account_retention' AS indicator,
      uniqExactIf(name, NOT is_backup AND early) AS violations
    FROM kept
    GROUP BY tenant_id
  )
{% set topic = 'mail.backup' %}
{% set indicators = [
  'backup.incremental', 'backup.full', 'backup.retention', 'backup.account_retention'
] %}
{% include 'counted_violations' %}
