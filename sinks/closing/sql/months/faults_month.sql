-- Section 3 of a month as it stands now, in seconds: faults, adjustments, days of the year spoiled.
WITH
  (SELECT max(plan) FROM plans WHERE month = {month:Date}) AS newest
SELECT
  tenant_id,
  {month:Date} AS month,
  toFloat64(sumIf(raw_num, indicator = 'operations.fault_duration')) / 1e6 AS fault_s,
  toFloat64(sumIf(excluded_num, indicator = 'operations.fault_duration')) / 1e6 AS excluded_s,
  toFloat64(sumIf(num, indicator = 'operations.fault_duration')) / 1e6 AS net_fault_s,
  toFloat64(sumIf(num, indicator = 'operations.adjustment_duration')) / 1e6 AS adjustment_s,
  sumIf(evidence_count, indicator = 'operations.fault_duration') AS faults,
  sumIf(evidence_count, indicator = 'operations.fault_free_days') AS faulty_days_of_year
FROM section_3_faults(month = {month:Date}, plan = newest, cutoff = toUnixTimestamp64Micro(now64(6)))
-- The whole months, not their parts.
WHERE position(tenant_id, '/') = 0
GROUP BY tenant_id
