-- One month computed now, by its newest plan. {month:Date} is written out when the view is made.
WITH
  (SELECT max(plan) FROM plans WHERE month = {month:Date}) AS newest_plan,
  (SELECT toUnixTimestamp64Micro(now64(6))) AS at_us
SELECT
  tenant_id, month, section, indicator, observed, raw, excluded, unit, comparator, target,
  verdict, remedy, evidence_count, contract_version, profile, parts
FROM closing_current(
  month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}
)
