-- Contract section 1: declared outages by whose stretches of time they belong to (`closing_voices`):
-- a tenant with outages of its own, or one that asks for approval, sees its own; scope '*' serves
-- all the others.
WITH
  {% include 'declaring' %},
  tenants AS (
    SELECT DISTINCT scope AS tenant, has(approval, 'outage') AS checked,
      arrayJoin([scope, '*']) AS voice
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64})
    WHERE part = 0 AND (has(declaring, scope) OR (checked AND has(declaring, '*')))
    UNION ALL
    SELECT '*', false, '*'
  )
SELECT t.tenant AS scope, d.name AS outage_id, d.starts_us AS starts_us, d.ends_us AS ends_us,
  NOT t.checked OR d.approved AS counts
FROM tenants AS t
INNER JOIN (
  SELECT * FROM closing_declared(cutoff = {cutoff:Int64}) WHERE kind = 'outage'
) AS d ON t.voice = d.scope
