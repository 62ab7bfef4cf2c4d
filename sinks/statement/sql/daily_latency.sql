-- Contract section 2: by local day of acceptance, the messages that count (finished, not left out).
SELECT
  tenant_id,
  direction,
  toDate(d.day) AS day,
  sum(b.messages) AS messages,
  sum(b.total_us) AS total_us,
  max(b.largest_us) AS largest_us
FROM (
  -- Quarters of an hour fit into local days in every time zone.
  SELECT
    m.tenant_id AS tenant_id,
    toString(m.direction) AS direction,
    p.days AS days,
    intDiv(m.accepted_us, 900000000) * 900000000 AS quarter_us,
    count() AS messages,
    sum(toInt128(m.latency_us)) AS total_us,
    max(m.latency_us) AS largest_us
  FROM closing_messages(
    month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}
  ) AS m
  INNER JOIN (
    SELECT toString(tenant_id) AS tenant_id, days
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64})
  ) AS p ON m.tenant_id = p.tenant_id
  WHERE m.finished_us > 0 AND NOT m.left_out AND m.tenant_id IN {tenants:Array(String)}
  GROUP BY tenant_id, direction, days, quarter_us
) AS b
ASOF INNER JOIN closing_days(month = {month:Date}, plan = {plan:UInt64}) AS d
  ON b.days = d.days AND b.quarter_us >= d.start_us
GROUP BY tenant_id, direction, day
ORDER BY tenant_id, direction, day
