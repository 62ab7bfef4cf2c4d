-- What is judged of a month: every tenant's active part of it with the governing profile, and where
-- its contract changes within the month also the parts between. `scope` is the tenant; `tenant_id`
-- names the row: acme is the whole month, acme/1 its first part. Measured values bear that name.
SELECT
  * REPLACE (if(part = 0, toString(tenant_id), concat(tenant_id, '/', toString(part))) AS tenant_id),
  toString(plan_tenants.tenant_id) AS scope
FROM plan_tenants
WHERE month = {month:Date} AND plan = {plan:UInt64}
