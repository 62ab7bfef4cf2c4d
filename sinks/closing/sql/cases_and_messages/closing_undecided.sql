-- Contract section 4: indicators of which a case hangs on working days that only a later notice
-- decides: its deadline, and so the month it belongs to, may still change.
WITH
  seen AS (
    SELECT s.tenant_id AS tenant_id, s.days AS days, c.indicator AS indicator,
      c.received_us AS received_us
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
    INNER JOIN closing_received(cutoff = {cutoff:Int64}) AS c ON s.scope = c.scope
  )
SELECT DISTINCT seen.tenant_id AS tenant_id, seen.indicator AS indicator
FROM seen
ASOF INNER JOIN closing_days(month = {month:Date}, plan = {plan:UInt64}) AS d
  ON seen.days = d.days AND seen.received_us >= d.start_us
WHERE seen.received_us < d.end_us AND has(d.undecided, seen.indicator)
