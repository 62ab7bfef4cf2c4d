-- Contract section 3: incidents. Faults and adjustments are unions of intervals cut to the active
-- part; a fault of any length spoils the local days it touches.
WITH
  scopes AS (
    SELECT *
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
  ),
  calendar AS (
    SELECT *, toInt32(day) AS number
    FROM closing_days(month = {month:Date}, plan = {plan:UInt64})
    WHERE in_year
  ),
  exclusions AS (
    SELECT tenant_id, starts, ends
    FROM closing_exclusions(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    WHERE section = 3
  ),
  {% include 'incidents' %}
  intervals AS (
    SELECT s.tenant_id AS tenant_id, s.days AS days, s.start_us AS start_us, i.kind AS kind,
      i.opened_us AS from_us, least(i.closed_us, s.until_us) AS to_us
    FROM scopes AS s
    INNER JOIN incidents AS i ON s.scope = i.scope
    WHERE from_us < to_us
  ),
  opened AS (
    SELECT *,
      from_us > max(to_us) OVER (
        PARTITION BY tenant_id, kind ORDER BY from_us, to_us
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ) AS opens
    FROM intervals
  ),
  islands AS (
    SELECT *,
      sum(opens) OVER (
        PARTITION BY tenant_id, kind ORDER BY from_us, to_us ROWS UNBOUNDED PRECEDING
      ) AS island
    FROM opened
  ),
  merged AS (
    SELECT i.tenant_id AS tenant_id, i.days AS days, i.start_us AS start_us, i.kind AS kind,
      i.from_us AS from_us, i.to_us AS to_us, e.starts AS starts, e.ends AS ends
    FROM (
      SELECT tenant_id, days, start_us, kind, min(from_us) AS from_us, max(to_us) AS to_us
      FROM islands
      GROUP BY tenant_id, days, start_us, kind, island
    ) AS i
    LEFT JOIN exclusions AS e ON i.tenant_id = e.tenant_id
  ),
  durations AS (
    SELECT
      tenant_id,
      sumIf(inside_us, kind = 'fault') AS fault_us,
      sumIf(excused_us, kind = 'fault') AS excused_us,
      countIf(kind = 'fault') AS faults,
      sumIf(inside_us, kind = 'adjustment') AS adjustment_us,
      countIf(kind = 'adjustment') AS adjustments
    FROM (
      SELECT tenant_id, kind, greatest(from_us, start_us) AS begun_us, to_us - begun_us AS inside_us,
        arraySum(
          (s, e) -> greatest(0, least(e, to_us) - greatest(s, begun_us)), starts, ends
        ) AS excused_us
      FROM merged
      WHERE to_us > start_us
    )
    GROUP BY tenant_id
  ),
  -- The days from the one on which a fault begins to the one on which it ends.
  begun AS (
    SELECT m.*, c.number AS first_day
    FROM (
      SELECT m.* EXCEPT (from_us), greatest(m.from_us, y.year_us) AS from_us
      FROM merged AS m
      INNER JOIN (SELECT days, min(start_us) AS year_us FROM calendar GROUP BY days) AS y
        ON m.days = y.days
      WHERE m.kind = 'fault' AND m.to_us > y.year_us
    ) AS m
    ASOF INNER JOIN calendar AS c ON m.days = c.days AND m.from_us >= c.start_us
  ),
  ended AS (
    SELECT b.*, c.number AS last_day
    FROM (SELECT *, to_us - 1 AS end_us FROM begun) AS b
    ASOF INNER JOIN calendar AS c ON b.days = c.days AND b.end_us >= c.start_us
  ),
  spoiled AS (
    SELECT d.tenant_id AS tenant_id, d.number AS number, any(c.before_month) AS before_month,
      sum(least(d.to_us, c.end_us) - greatest(d.from_us, c.start_us)) AS faulty_us,
      sum(arraySum(
        (s, e) -> greatest(0, least(e, d.to_us, c.end_us) - greatest(s, d.from_us, c.start_us)),
        d.starts, d.ends
      )) AS excused_us
    FROM (SELECT *, arrayJoin(range(first_day, last_day + 1)) AS number FROM ended) AS d
    INNER JOIN calendar AS c ON d.days = c.days AND d.number = c.number
    WHERE c.active
    GROUP BY tenant_id, number
  ),
  faulty AS (
    SELECT tenant_id,
      countIf(faulty_us > 0) AS raw_days,
      countIf(faulty_us > excused_us) AS net_days,
      countIf(faulty_us > excused_us AND before_month) AS net_days_before
    FROM spoiled
    GROUP BY tenant_id
  ),
  per_tenant AS (
    SELECT
      p.tenant_id AS tenant_id,
      p.end_us - p.start_us AS length_us,
      p.year_days AS year_days,
      d.fault_us AS fault_us,
      d.excused_us AS excused_us,
      d.faults AS faults,
      d.adjustment_us AS adjustment_us,
      d.adjustments AS adjustments,
      f.raw_days AS raw_days,
      f.net_days AS net_days,
      p.year_days - f.net_days_before AS free_before,
      -- Missed in an earlier month of the year: settled there, judged no more.
      toMonth({month:Date}) > 1 AND NOT multiIf(
        isNull(t.target), true,
        t.comparator = '<', free_before < t.target,
        t.comparator = '<=', free_before <= t.target,
        t.comparator = '>=', free_before >= t.target,
        free_before = t.target
      ) AS settled
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64}) AS p
    INNER JOIN plan_terms AS t ON p.month = t.month AND p.plan = t.plan AND p.terms = t.terms
    LEFT JOIN durations AS d ON p.tenant_id = d.tenant_id
    LEFT JOIN faulty AS f ON p.tenant_id = f.tenant_id
    WHERE t.indicator = 'operations.fault_free_days' AND t.month = {month:Date}
      AND p.tenant_id IN (
        SELECT tenant_id
        FROM closing_spoken(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
        WHERE topic = 'mail.ops'
      )
  )
SELECT
  tenant_id,
  value.1 AS indicator,
  value.2 AS num,
  value.3 AS den,
  value.4 AS raw_num,
  value.3 AS raw_den,
  value.5 AS excluded_num,
  value.6 AS excluded_den,
  value.7 AS evidence_count,
  true AS has_data,
  value.8 AS settled
FROM (
  SELECT
    tenant_id,
    arrayJoin([
      (
        'operations.fault_duration', toInt256(fault_us - excused_us), toInt256(1000000),
        toInt256(fault_us), toInt256(excused_us), toInt256(1000000), toUInt64(faults), false
      ),
      (
        'operations.adjustment_duration', toInt256(adjustment_us), toInt256(1000000),
        toInt256(adjustment_us), toInt256(0), toInt256(1000000), toUInt64(adjustments), false
      ),
      (
        'operations.availability', toInt256(length_us - fault_us + excused_us), toInt256(length_us),
        toInt256(length_us - fault_us), toInt256(excused_us), toInt256(1000000), toUInt64(faults),
        false
      ),
      (
        'operations.fault_free_days', toInt256(year_days - net_days), toInt256(1),
        toInt256(year_days - raw_days), toInt256(raw_days - net_days), toInt256(1),
        toUInt64(net_days), settled
      )
    ]) AS value
  FROM per_tenant
)
