-- Tenants of a month with their active part and profile. plan = 0: the newest plan of the month.
SELECT *
FROM plan_tenants
WHERE month = {month:Date}
  AND plan = if(
    {plan:UInt64} = 0,
    (SELECT max(plan) FROM plans WHERE month = {month:Date}),
    {plan:UInt64}
  )
