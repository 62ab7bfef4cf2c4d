-- Tenants of a month with their active part and profile.
SELECT *
FROM plan_tenants
WHERE month = {month:Date} AND plan = {plan:UInt64}
