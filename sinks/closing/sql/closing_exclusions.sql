-- Contract, Exclusions: per tenant and section (1, 2, 3) the union of the intervals in force, as
-- two arrays of disjoint, ascending [start, end) in µs.
WITH
  -- Of one exclusion the latest declaration counts, unless it was revoked at or after it.
  standing AS (
    SELECT
      toString(tenant_id) AS scope,
      exclusion_id,
      argMaxIf(
        (
          assumeNotNull(toString(code)),
          toUnixTimestamp64Micro(assumeNotNull(starts_at)),
          toUnixTimestamp64Micro(assumeNotNull(ends_at)),
          sections,
          coalesce(consent_ref, '')
        ),
        (time, source, id),
        type = 'exclusion.declared'
      ) AS declaration,
      countIf(type = 'exclusion.declared') AS declared,
      maxIf(time, type = 'exclusion.declared') AS declared_at,
      countIf(type = 'exclusion.revoked') AS revoked,
      maxIf(time, type = 'exclusion.revoked') AS revoked_at
    FROM ops_events FINAL
    WHERE type IN ('exclusion.declared', 'exclusion.revoked')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    GROUP BY scope, exclusion_id
    HAVING declared > 0 AND (revoked = 0 OR revoked_at < declared_at)
  ),
  excused AS (
    SELECT
      scope,
      declaration.1 AS code,
      declaration.2 AS starts_us,
      declaration.3 AS ends_us,
      arrayJoin(
        multiIf(
          notEmpty(declaration.4), arrayFilter(s -> s IN (1, 2, 3), arrayDistinct(declaration.4)),
          code = 'foreign_system', [2, 3],
          [1, 2, 3]
        )
      ) AS section
    FROM standing
    WHERE starts_us < ends_us
      AND (code != 'agreed_maintenance' OR declaration.5 != '')
  ),
  periods AS (
    SELECT tenant_id, operations_exclusions, arrayJoin([p.scope, '*']) AS scope
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64}) AS p
  ),
  intervals AS (
    SELECT p.tenant_id AS tenant_id, e.section AS section, e.starts_us AS starts_us, e.ends_us AS ends_us
    FROM periods AS p
    INNER JOIN excused AS e ON p.scope = e.scope
    WHERE e.section != 3 OR has(p.operations_exclusions, e.code)
  ),
  opened AS (
    SELECT
      *,
      starts_us > max(ends_us) OVER (
        PARTITION BY tenant_id, section ORDER BY starts_us, ends_us
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ) AS opens
    FROM intervals
  ),
  islands AS (
    SELECT
      *,
      sum(opens) OVER (
        PARTITION BY tenant_id, section ORDER BY starts_us, ends_us ROWS UNBOUNDED PRECEDING
      ) AS island
    FROM opened
  ),
  merged AS (
    SELECT tenant_id, section, min(starts_us) AS starts_us, max(ends_us) AS ends_us
    FROM islands
    GROUP BY tenant_id, section, island
  )
SELECT
  tenant_id,
  toUInt8(section) AS section,
  arraySort(groupArray(starts_us)) AS starts,
  arraySort(groupArray(ends_us)) AS ends
FROM merged
GROUP BY tenant_id, section
