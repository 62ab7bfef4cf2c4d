-- Contract section 1: by whose stretches of time a tenant is down or known: its own where it was
-- ever probed itself or sees outages of its own (`closing_outages`), else those of the platform.
WITH
  {% include 'declaring' %}

SELECT
  scope,
  if(
    scope IN (SELECT DISTINCT toString(tenant_id) FROM probe_events)
    OR has(declaring, scope)
    OR (maxIf(has(approval, 'outage'), part = 0) AND has(declaring, '*')),
    scope, '*'
  ) AS speaks
FROM closing_periods(month = {month:Date}, plan = {plan:UInt64})
GROUP BY scope
