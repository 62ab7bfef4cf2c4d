-- Contract section 3: the incidents of a tenant and the platform that touch its year up to the end
-- of the month. closed_us = 0: still open at the cutoff.
WITH
  incidents AS (
    SELECT
      toString(tenant_id) AS scope,
      assumeNotNull(incident_id) AS incident_id,
      minIf(toUnixTimestamp64Micro(time), type = 'incident.opened') AS opened_us,
      argMinIf(
        (toString(kind), coalesce(component, ''), coalesce(description, '')), (time, id),
        type = 'incident.opened'
      ) AS told,
      arrayFilter(
        t -> t >= opened_us,
        groupArrayIf(toUnixTimestamp64Micro(time), type = 'incident.closed')
      ) AS ends,
      if(empty(ends), 0, arrayMin(ends)) AS closed_us
    FROM counted_ops_events(cutoff = {cutoff:Int64})
    WHERE type IN ('incident.opened', 'incident.closed')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
      AND (tenant_id IN {tenants:Array(String)} OR tenant_id = '*')
    GROUP BY scope, incident_id
    HAVING countIf(type = 'incident.opened') > 0
  )
SELECT
  s.tenant_id AS tenant_id,
  i.scope AS scope,
  i.incident_id AS incident_id,
  i.told.1 AS kind,
  i.told.2 AS component,
  i.told.3 AS description,
  i.opened_us AS opened_us,
  i.closed_us AS closed_us
FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
INNER JOIN incidents AS i ON s.scope = i.scope
WHERE s.tenant_id IN {tenants:Array(String)}
  AND i.opened_us < s.until_us
  AND (i.closed_us = 0 OR i.closed_us > {year_us:Int64})
ORDER BY tenant_id, opened_us, incident_id
