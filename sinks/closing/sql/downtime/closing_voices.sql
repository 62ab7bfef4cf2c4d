-- Contract section 1: by whose stretches of time a tenant is down or known: its own where it was
-- ever probed itself or an outage of its own is declared, else those of the platform.
WITH
  (
    SELECT groupUniqArray(scope) FROM closing_declared(cutoff = {cutoff:Int64}) WHERE kind = 'outage'
  ) AS declaring
SELECT DISTINCT
  scope,
  if(
    scope IN (SELECT DISTINCT toString(tenant_id) FROM probe_events) OR has(declaring, scope),
    scope, '*'
  ) AS speaks
FROM closing_periods(month = {month:Date}, plan = {plan:UInt64})
