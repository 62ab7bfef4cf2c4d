-- One row per tenant × indicator: of the newest revision where the month is closed, computed now
-- where it is not.
WITH
  (SELECT max(plan) FROM plans WHERE month = {month:Date}) AS newest,
  (
    SELECT count()
    FROM closing_periods(month = {month:Date}, plan = newest)
    WHERE scope NOT IN (SELECT toString(tenant_id) FROM closing_log WHERE month = {month:Date})
  ) > 0 AS unclosed
SELECT * FROM closed_results(month = {month:Date})
UNION ALL
SELECT
  tenant_id, month, section, toString(indicator) AS indicator,
  observed, raw, excluded, toString(unit) AS unit, comparator, target,
  verdict, toString(remedy) AS remedy, evidence_count, contract_version,
  toString(profile) AS profile, parts
FROM closing_current(
  -- A month that is closed for everybody costs nothing here: no fact lies before 1970.
  month = if(unclosed, {month:Date}, toDate('1970-01-01')),
  plan = newest,
  cutoff = if(unclosed, toUnixTimestamp64Micro(now64(6)), toInt64(0))
)
WHERE tenant_id NOT IN (SELECT tenant_id FROM closing_log WHERE month = {month:Date})
