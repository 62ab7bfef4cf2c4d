-- Contract, Exclusions: per tenant and section (1, 2, 3) the union of the intervals in force, as
-- two arrays of disjoint, ascending [start, end) in µs.
WITH
  excused AS (
    SELECT
      scope,
      code,
      starts_us,
      ends_us,
      declared_us,
      approved,
      arrayJoin(
        multiIf(
          notEmpty(d.sections), arrayFilter(s -> s IN (1, 2, 3), arrayDistinct(d.sections)),
          code = 'foreign_system', [2, 3],
          [1, 2, 3]
        )
      ) AS section
    FROM closing_declared(cutoff = {cutoff:Int64}) AS d
    WHERE kind = 'exclusion' AND (code != 'agreed_maintenance' OR consent_ref != '')
  ),
  periods AS (
    SELECT tenant_id, operations_exclusions, approval, notice_us,
      arrayJoin([p.scope, '*']) AS scope
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64}) AS p
  ),
  intervals AS (
    SELECT p.tenant_id AS tenant_id, e.section AS section, e.starts_us AS starts_us, e.ends_us AS ends_us
    FROM periods AS p
    INNER JOIN excused AS e ON p.scope = e.scope
    WHERE (e.section != 3 OR has(p.operations_exclusions, e.code))
      AND (e.approved OR NOT has(p.approval, 'exclusion'))
      AND (e.code != 'agreed_maintenance' OR e.declared_us + p.notice_us <= e.starts_us)
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
