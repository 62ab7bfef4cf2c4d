-- Who is in none of the month's figures, and which field of the contract document is to be mended.
SELECT toString(tenant_id) AS tenant_id, field, reason
FROM plan_failures
WHERE month = {month:Date}
  AND plan = (SELECT max(plan) FROM plans WHERE month = {month:Date})
