-- Every exclusion declared by the cutoff that touches a tenant's active part, applied or not, and
-- agreed maintenance earlier in the year, whose hours may be limited.
WITH
  declared AS (
    SELECT
      toString(tenant_id) AS scope,
      assumeNotNull(exclusion_id) AS exclusion_id,
      argMaxIf(
        (
          assumeNotNull(toString(code)),
          toUnixTimestamp64Micro(assumeNotNull(starts_at)),
          toUnixTimestamp64Micro(assumeNotNull(ends_at)),
          sections,
          coalesce(consent_ref, ''),
          coalesce(note, '')
        ),
        (time, source, id),
        type = 'exclusion.declared'
      ) AS declaration,
      toUnixTimestamp64Micro(maxIf(time, type = 'exclusion.declared')) AS declared_us,
      toUnixTimestamp64Micro(maxIf(time, type = 'exclusion.revoked')) AS revocation_us,
      countIf(type = 'exclusion.revoked') > 0 AND revocation_us >= declared_us AS revoked
    FROM counted_ops_events(cutoff = {cutoff:Int64})
    WHERE type IN ('exclusion.declared', 'exclusion.revoked')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
      AND (tenant_id IN {tenants:Array(String)} OR tenant_id = '*')
    GROUP BY scope, exclusion_id
    HAVING countIf(type = 'exclusion.declared') > 0
  )
SELECT
  s.tenant_id AS tenant_id,
  e.scope AS scope,
  e.exclusion_id AS exclusion_id,
  e.declaration.1 AS code,
  e.declaration.2 AS starts_us,
  e.declaration.3 AS ends_us,
  arraySort(arrayDistinct(e.declaration.4)) AS sections,
  e.declaration.5 AS consent_ref,
  e.declaration.6 AS note,
  e.declared_us AS declared_us,
  if(e.revoked, e.revocation_us, 0) AS revoked_us,
  (e.scope, e.exclusion_id) IN (
    SELECT scope, name
    FROM closing_declared(cutoff = {cutoff:Int64})
    WHERE kind = 'exclusion' AND approved
  ) AS approved
FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
INNER JOIN declared AS e ON s.scope = e.scope
WHERE s.tenant_id IN {tenants:Array(String)}
  AND starts_us < s.end_us
  AND ends_us > if(code = 'agreed_maintenance', {year_us:Int64}, s.start_us)
ORDER BY tenant_id, starts_us, exclusion_id
