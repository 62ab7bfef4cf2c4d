-- One row per tenant × indicator: of the newest revision where the month is closed, computed now
-- where it is not. A view that a query names is planned whether it is read or not, and to plan what
-- computes takes seconds. So it is found by its name, only where a tenant is still open: a month
-- with such a tenant has a plan, and with it a view of its own (`open_month_view`).
WITH (SELECT tenants FROM closing_open_tenants(month = {month:Date})) > 0 AS unclosed
SELECT * FROM closed_results(month = {month:Date})
UNION ALL
SELECT
  tenant_id, month, section, indicator, observed, raw, excluded, unit, comparator, target,
  verdict, remedy, evidence_count, contract_version, profile, parts
FROM merge(
  currentDatabase(),
  if(unclosed, formatDateTime({month:Date}, '^closing_open_%Y_%m$'), '^closing_open_none$')
)
WHERE tenant_id NOT IN (SELECT tenant_id FROM closing_log WHERE month = {month:Date})
