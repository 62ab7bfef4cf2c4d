-- Sections 4 and 8: cases and orders answered late or, with ends_us = 0, not at all.
SELECT
  tenant_id, indicator, case_id AS reference, map('', '') AS about,
  toInt64(received_us) AS begins_us, toInt64(answered_us) AS ends_us, toInt64(by_us) AS due_us,
  count() OVER (PARTITION BY tenant_id, indicator) AS total
FROM (
  SELECT *
  FROM closing_cases(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
  WHERE late AND tenant_id IN {tenants:Array(String)}
  UNION ALL
  SELECT *
  FROM closing_orders(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
  WHERE late AND tenant_id IN {tenants:Array(String)}
)
ORDER BY tenant_id, indicator, begins_us, reference
LIMIT {shown:UInt32} BY tenant_id, indicator
