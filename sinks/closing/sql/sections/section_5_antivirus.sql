-- Contract section 5: weeks without virus definitions, scans left out or against the policy.
WITH
  scopes AS (
    SELECT *
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
  ),
  facts AS (
    SELECT *, toString(tenant_id) AS scope, toUnixTimestamp64Micro(time) AS time_us
    FROM counted_antivirus_events(cutoff = {cutoff:Int64})
    WHERE toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
  ),
  weeks AS (
    SELECT s.tenant_id AS tenant_id, s.outbreak_updates AS updates_due,
      d.week_start_us AS start_us, d.end_us AS end_us
    FROM scopes AS s
    INNER JOIN closing_days(month = {month:Date}, plan = {plan:UInt64}) AS d ON s.days = d.days
    WHERE s.scope != '*' AND d.week_start_us > 0 AND d.end_us <= {cutoff:Int64}
  ),
  updates AS (
    SELECT s.tenant_id AS tenant_id, f.time_us AS time_us
    FROM scopes AS s
    INNER JOIN facts AS f ON s.scope = f.scope
    WHERE f.type = 'definitions.updated'
      AND f.time_us >= s.start_us - 8 * 86400000000 AND f.time_us < s.end_us
  ),
  counted AS (
    SELECT w.tenant_id AS tenant_id, w.start_us AS start_us, countIf(u.time_us < w.end_us) AS updates
    FROM updates AS u
    ASOF INNER JOIN weeks AS w ON u.tenant_id = w.tenant_id AND u.time_us >= w.start_us
    GROUP BY tenant_id, start_us
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
  touched AS (
    SELECT DISTINCT w.tenant_id AS tenant_id, w.start_us AS start_us
    FROM weeks AS w
    INNER JOIN (
      SELECT s.tenant_id AS tenant_id, o.declared_us AS declared_us, o.ended_us AS ended_us
      FROM scopes AS s
      INNER JOIN outbreaks AS o ON s.scope = o.scope
    ) AS o ON w.tenant_id = o.tenant_id
    WHERE o.declared_us < w.end_us AND (o.ended_us > w.start_us OR o.declared_us >= w.start_us)
  ),
  scans AS (
    SELECT
      s.tenant_id AS tenant_id,
      countIf(f.verdict IN ('skipped', 'error') AND f.policy != 'off') AS unscanned,
      uniqExactIf(
        (f.source, f.message_id, f.mailbox),
        (f.policy = 'detect' AND f.action NOT IN ('none', 'tagged'))
        OR (f.policy = 'clean' AND f.verdict = 'infected' AND f.action IN ('none', 'tagged'))
        OR (f.verdict = 'infected' AND coalesce(f.kept_original != f.keep_original_policy, false))
      ) AS mismatches,
      sum(toInt128(floor(coalesce(f.scan_ms, 0) * 1000 + 0.5))) AS scan_us,
      count(f.scan_ms) AS timed
    FROM scopes AS s
    INNER JOIN facts AS f ON s.scope = f.scope
    WHERE f.type = 'message.scanned' AND f.time_us >= s.start_us AND f.time_us < s.end_us
    GROUP BY tenant_id
  ),
  violations AS (
    SELECT w.tenant_id AS tenant_id, 'antivirus.definition_updates' AS indicator,
      countIf(c.updates = 0) AS violations
    FROM weeks AS w
    LEFT JOIN counted AS c ON w.tenant_id = c.tenant_id AND w.start_us = c.start_us
    GROUP BY tenant_id
    UNION ALL
    SELECT w.tenant_id AS tenant_id, 'antivirus.outbreak_updates' AS indicator,
      countIf(c.updates < w.updates_due) AS violations
    FROM weeks AS w
    INNER JOIN touched AS t ON w.tenant_id = t.tenant_id AND w.start_us = t.start_us
    LEFT JOIN counted AS c ON w.tenant_id = c.tenant_id AND w.start_us = c.start_us
    GROUP BY tenant_id
    UNION ALL
    SELECT tenant_id, 'antivirus.unscanned' AS indicator, unscanned AS violations FROM scans
    UNION ALL
    SELECT tenant_id, 'antivirus.policy_mismatch' AS indicator, mismatches AS violations FROM scans
  )
{% set topic = 'mail.antivirus' %}
{% set indicators = [
  'antivirus.definition_updates', 'antivirus.outbreak_updates', 'antivirus.unscanned',
  'antivirus.policy_mismatch'
] %}
{% include 'counted_violations' %}
UNION ALL
SELECT
  tenant_id,
  'antivirus.scan_delay' AS indicator,
  toInt256(scan_us) AS num,
  toInt256(timed) * 1000000 AS den,
  num AS raw_num,
  den AS raw_den,
  toInt256(0) AS excluded_num,
  toInt256(1) AS excluded_den,
  toUInt64(timed) AS evidence_count,
  timed > 0 AS has_data,
  false AS settled
FROM scans
