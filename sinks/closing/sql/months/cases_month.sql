-- Sections 4 and 8 of a month as they stand now: every case with its deadline. A case is late when
-- it was not answered before its deadline (section 8: by its deadline).
WITH
  (SELECT max(plan) FROM plans WHERE month = {month:Date}) AS newest
SELECT
  tenant_id,
  {month:Date} AS month,
  indicator,
  case_id,
  fromUnixTimestamp64Micro(received_us, 'UTC') AS received_at,
  fromUnixTimestamp64Micro(by_us, 'UTC') AS deadline,
  if(answered_us > 0, fromUnixTimestamp64Micro(answered_us, 'UTC'), NULL) AS answered_at,
  late
FROM (
  SELECT *
  FROM closing_cases(month = {month:Date}, plan = newest, cutoff = toUnixTimestamp64Micro(now64(6)))
  UNION ALL
  SELECT *
  FROM closing_orders(month = {month:Date}, plan = newest, cutoff = toUnixTimestamp64Micro(now64(6)))
)
-- The whole months, not their parts.
WHERE position(tenant_id, '/') = 0
