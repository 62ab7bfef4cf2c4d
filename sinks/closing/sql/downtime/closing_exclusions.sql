-- Contract, Exclusions: per tenant and section (1, 2, 3) the union of the intervals in force, as
-- two arrays of disjoint, ascending [start, end) in µs.
-- Where a contract limits the hours of agreed maintenance, those of a local year are used up in order
-- of time, overlapping windows once, whichever sections they name.
WITH
  excused AS (
    SELECT
      scope,
      code,
      starts_us,
      ends_us,
      declared_us,
      approved,
      multiIf(
        notEmpty(d.sections), arrayFilter(s -> s IN (1, 2, 3), arrayDistinct(d.sections)),
        code = 'foreign_system', [2, 3],
        [1, 2, 3]
      ) AS sections
    FROM closing_declared(cutoff = {cutoff:Int64}) AS d
    WHERE kind = 'exclusion' AND (code != 'agreed_maintenance' OR consent_ref != '')
  ),
  periods AS (
    SELECT tenant_id, operations_exclusions, approval, notice_us, maintenance_us, maintenance_years,
      arrayJoin([p.scope, '*']) AS scope
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64}) AS p
  ),
  counted AS (
    SELECT
      p.tenant_id AS tenant_id,
      any(p.maintenance_us) AS most_us,
      any(p.maintenance_years) AS years,
      groupArray((
        e.starts_us,
        e.ends_us,
        arrayFilter(s -> s != 3 OR has(p.operations_exclusions, e.code), e.sections),
        e.code = 'agreed_maintenance' AND notEmpty(p.maintenance_years)
      )) AS windows
    FROM periods AS p
    INNER JOIN excused AS e ON p.scope = e.scope
    WHERE (e.approved OR NOT has(p.approval, 'exclusion'))
      AND (
        e.code != 'agreed_maintenance'
        OR p.notice_us = 0
        OR e.declared_us + p.notice_us <= e.starts_us
      )
    GROUP BY tenant_id
  ),
  years AS (
    SELECT
      tenant_id,
      windows,
      arraySort(
        arrayMap(one -> (one.1, one.2), arrayFilter(one -> one.4, windows))
      ) AS maintenance,
      -- Per year [start, end of what counts): known up to an instant, what is left, where it ends.
      arrayMap(
        (begins_us, ends_us) -> (
          begins_us,
          arrayFold(
            (known, one) -> (
              greatest(known.1, least(one.2, ends_us)),
              greatest(
                known.2 - greatest(least(one.2, ends_us) - greatest(one.1, known.1), 0), toInt64(0)
              ),
              if(
                least(one.2, ends_us) - greatest(one.1, known.1) > known.2,
                least(known.3, greatest(one.1, known.1) + known.2),
                known.3
              )
            ),
            maintenance,
            (begins_us, most_us, ends_us)
          ).3
        ),
        arrayPopBack(years),
        arrayPopFront(years)
      ) AS allowed
    FROM counted
  ),
  pieces AS (
    SELECT
      tenant_id,
      arrayJoin(windows) AS window,
      arrayJoin(
        if(
          window.4,
          arrayMap(one -> (greatest(window.1, one.1), least(window.2, one.2)), allowed),
          [(window.1, window.2)]
        )
      ) AS piece
    FROM years
  ),
  intervals AS (
    SELECT tenant_id, arrayJoin(window.3) AS section, piece.1 AS starts_us, piece.2 AS ends_us
    FROM pieces
    WHERE piece.1 < piece.2
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
