-- Contract section 1: declared outages by whose stretches of time they belong to (`closing_voices`):
-- a tenant with outages of its own, or one that asks for approval, sees its own; scope '*' serves
-- all the others.
WITH
  declared AS (
    SELECT *
    FROM closing_declared(cutoff = {cutoff:Int64})
    WHERE kind = 'outage'
  ),
  tenants AS (
    SELECT DISTINCT scope AS tenant, has(approval, 'outage') AS checked,
      arrayJoin([scope, '*']) AS voice
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64})
    WHERE part = 0
      AND (
        scope IN (SELECT scope FROM declared)
        OR (checked AND '*' IN (SELECT scope FROM declared))
      )
  )
SELECT t.tenant AS scope, d.name AS outage_id, d.starts_us AS starts_us, d.ends_us AS ends_us,
  NOT t.checked OR d.approved AS counts
FROM tenants AS t
INNER JOIN declared AS d ON t.voice = d.scope
UNION ALL
SELECT scope, name AS outage_id, starts_us, ends_us, true AS counts
FROM declared
WHERE scope = '*'
