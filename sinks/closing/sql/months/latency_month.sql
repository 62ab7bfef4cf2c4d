-- Section 2 of a month as it stands now: counts, means and maxima in seconds, net of exclusions.
WITH
  (SELECT max(plan) FROM plans WHERE month = {month:Date}) AS newest
SELECT
  tenant_id,
  {month:Date} AS month,
  direction,
  countIf(finished_us > 0) AS messages,
  countIf(finished_us > 0 AND left_out) AS left_out_messages,
  avgIf(latency_us, finished_us > 0 AND NOT left_out) / 1e6 AS mean_s,
  quantileIf(0.95)(latency_us, finished_us > 0 AND NOT left_out) / 1e6 AS p95_s,
  maxIf(latency_us, finished_us > 0 AND NOT left_out) / 1e6 AS max_s,
  countIf(over AND NOT left_out) AS exceedances,
  countIf(finished_us = 0) AS in_flight_over
FROM closing_messages(
  month = {month:Date},
  plan = newest,
  cutoff = toUnixTimestamp64Micro(now64(6))
)
-- The whole months, not their parts.
WHERE position(tenant_id, '/') = 0
GROUP BY tenant_id, direction
