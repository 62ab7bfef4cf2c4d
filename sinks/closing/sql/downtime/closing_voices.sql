-- Contract section 1: by whose stretches of time a tenant is down or known: its own where it was
-- ever probed itself or sees outages of its own, else those of the platform.
SELECT DISTINCT
  scope,
  if(
    scope IN (SELECT DISTINCT toString(tenant_id) FROM probe_events)
    OR scope IN (
      SELECT scope
      FROM closing_outages(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    ),
    scope, '*'
  ) AS speaks
FROM closing_periods(month = {month:Date}, plan = {plan:UInt64})
