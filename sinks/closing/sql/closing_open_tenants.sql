-- How many tenants of a month are not closed: what clause_results asks before it computes anything.
SELECT count() AS tenants
FROM closing_periods(
  month = {month:Date}, plan = (SELECT max(plan) FROM plans WHERE month = {month:Date})
)
WHERE scope NOT IN (SELECT toString(tenant_id) FROM closing_log WHERE month = {month:Date})
