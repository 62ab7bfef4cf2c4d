-- Contract section 5: the weeks of the month with their updates, scans left out or against the
-- policy, and every scan that was timed.
WITH
  scopes AS (
    SELECT *
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    WHERE tenant_id = {tenant:String}
  ),
  facts AS (
    SELECT s.tenant_id AS own_id, s.start_us AS start_us, s.end_us AS end_us,
      toUnixTimestamp64Micro(f.time) AS time_us, f.* EXCEPT (voice)
    FROM scopes AS s
    INNER JOIN (SELECT *, toString(tenant_id) AS voice FROM counted_antivirus_events(cutoff = {cutoff:Int64})) AS f
      ON s.scope = f.voice
    WHERE toUnixTimestamp64Micro(f.landed_at) <= {cutoff:Int64}
  ),
  updates AS (
    SELECT groupArray(time_us) AS times FROM facts WHERE type = 'definitions.updated'
  ),
  outbreaks AS (
    SELECT groupArray((declared_us, ended_us)) AS spans
    FROM (
      SELECT
        minIf(time_us, type = 'outbreak.declared') AS declared_us,
        arrayFilter(t -> t >= declared_us, groupArrayIf(time_us, type = 'outbreak.ended')) AS ends,
        if(empty(ends), toInt64(9223372036854775807), arrayMin(ends)) AS ended_us
      FROM facts
      WHERE type IN ('outbreak.declared', 'outbreak.ended')
      GROUP BY tenant_id, outbreak_id
      HAVING countIf(type = 'outbreak.declared') > 0
    )
  ),
  weeks AS (
    SELECT s.tenant_id AS tenant_id, s.outbreak_updates AS due, d.day AS sunday,
      d.week_start_us AS from_us, d.end_us AS to_us,
      arrayCount(t -> t >= d.week_start_us AND t < d.end_us, (SELECT times FROM updates)) AS updated,
      arrayExists(
        o -> o.1 < d.end_us AND (o.2 > d.week_start_us OR o.1 >= d.week_start_us),
        (SELECT spans FROM outbreaks)
      ) AS touched
    FROM scopes AS s
    INNER JOIN closing_days(month = {month:Date}, plan = {plan:UInt64}) AS d ON s.days = d.days
    WHERE s.scope != '*' AND d.week_start_us > 0 AND d.end_us <= {cutoff:Int64}
  ),
  scans AS (
    SELECT *,
      verdict IN ('skipped', 'error') AND policy != 'off' AS unscanned,
      (policy = 'detect' AND action NOT IN ('none', 'tagged'))
        OR (policy = 'clean' AND verdict = 'infected' AND action IN ('none', 'tagged'))
        OR (verdict = 'infected' AND coalesce(kept_original != keep_original_policy, false))
        AS mismatched
    FROM facts
    WHERE type = 'message.scanned' AND time_us >= start_us AND time_us < end_us
  )
SELECT
  tenant_id,
  arrayJoin(
    if(
      touched, ['antivirus.definition_updates', 'antivirus.outbreak_updates'],
      ['antivirus.definition_updates']
    )
  ) AS indicator,
  concat('week to Sunday ', toString(sunday)) AS item,
  from_us,
  to_us,
  toInt128(updated) AS amount,
  toInt128(0) AS excused,
  if(indicator = 'antivirus.outbreak_updates', updated < due, updated = 0) AS counts,
  concat(toString(updated), ' updates', if(touched, ', an outbreak', '')) AS note
FROM weeks
UNION ALL
SELECT
  own_id AS tenant_id,
  indicator,
  concat(toString(source), ' ', coalesce(message_id, ''), ' in ', coalesce(mailbox, '')) AS item,
  min(time_us) AS from_us,
  toInt64(0) AS to_us,
  -- A record each: scanned in vain twice is two; against the policy twice is one message.
  if(indicator = 'antivirus.policy_mismatch', toInt128(1), toInt128(count())) AS amount,
  toInt128(0) AS excused,
  true AS counts,
  any(concat('verdict ', toString(verdict), ', action ', toString(action), ', policy ', toString(policy)))
    AS note
FROM (
  SELECT *,
    arrayJoin(
      arrayConcat(
        if(unscanned, ['antivirus.unscanned'], []), if(mismatched, ['antivirus.policy_mismatch'], [])
      )
    ) AS indicator
  FROM scans
)
GROUP BY own_id, indicator, source, message_id, mailbox
UNION ALL
SELECT
  own_id AS tenant_id,
  'antivirus.scan_delay' AS indicator,
  concat(toString(source), ' ', coalesce(message_id, ''), ' in ', coalesce(mailbox, '')) AS item,
  time_us AS from_us,
  toInt64(0) AS to_us,
  toInt128(floor(assumeNotNull(scan_ms) * 1000 + 0.5)) AS amount,
  toInt128(0) AS excused,
  true AS counts,
  '' AS note
FROM scans
WHERE scan_ms IS NOT NULL
