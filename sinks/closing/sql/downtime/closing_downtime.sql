-- Contract section 1: per tenant the µs of its active part that are known, down and excluded.
WITH
  periods AS (
    SELECT
      p.tenant_id AS tenant_id, p.probe_hold_factor AS factor,
      has(p.approval, 'outage') AS checked,
      p.start_us AS start_us, p.end_us AS end_us, least(p.end_us, {cutoff:Int64}) AS until_us,
      if(
        p.scope IN (
        SELECT scope
        FROM closing_voices(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
        WHERE speaks != '*'
      ), p.scope, '*'
      ) AS speaks,
      e.starts AS starts, e.ends AS ends
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64}) AS p
    LEFT JOIN (
      SELECT tenant_id, starts, ends
      FROM closing_exclusions(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
      WHERE section = 1
    ) AS e ON p.tenant_id = e.tenant_id
  )
SELECT
  tenant_id,
  any(length_us) AS length_us,
  sumIf(to_us - from_us, known) AS known_us,
  sumIf(to_us - from_us, down) AS down_us,
  sumIf(
    arraySum((s, e) -> greatest(0, least(e, to_us) - greatest(s, from_us)), starts, ends), down
  ) AS excluded_us,
  countIf(down) AS outages
FROM (
  SELECT
    p.tenant_id AS tenant_id, p.end_us - p.start_us AS length_us, p.starts AS starts, p.ends AS ends,
    greatest(s.time_us, p.start_us) AS from_us, least(s.until_us, p.until_us) AS to_us,
    s.down AS down, s.known AS known
  FROM periods AS p
  INNER JOIN closing_connectivity(
    month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}
  ) AS s ON p.speaks = s.scope AND p.factor = s.factor AND p.checked = s.checked
  WHERE from_us < to_us
)
GROUP BY tenant_id
