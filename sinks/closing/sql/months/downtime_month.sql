-- Section 1 of a month as it stands now, in seconds. Only tenants that were probed are here.
WITH
  (SELECT max(plan) FROM plans WHERE month = {month:Date}) AS newest
SELECT
  tenant_id,
  {month:Date} AS month,
  length_us / 1e6 AS length_s,
  down_us / 1e6 AS down_s,
  excluded_us / 1e6 AS excluded_s,
  (down_us - excluded_us) / 1e6 AS net_down_s,
  (length_us - known_us) / 1e6 AS unobserved_s,
  outages
FROM closing_downtime(month = {month:Date}, plan = newest, cutoff = toUnixTimestamp64Micro(now64(6)))
-- The whole months, not their parts.
WHERE position(tenant_id, '/') = 0
