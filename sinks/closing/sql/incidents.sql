{# Each incident of a scope: when it opened first, what kind it is, and when it closed, for ever if
   it has not. -#}
incidents AS (
    SELECT
      toString(tenant_id) AS scope,
      incident_id,
      minIf(toUnixTimestamp64Micro(time), type = 'incident.opened') AS opened_us,
      argMinIf(toString(kind), (time, id), type = 'incident.opened') AS kind,
      arrayFilter(
        t -> t >= opened_us,
        groupArrayIf(toUnixTimestamp64Micro(time), type = 'incident.closed')
      ) AS ends,
      if(empty(ends), toInt64(9223372036854775807), arrayMin(ends)) AS closed_us
    FROM counted_ops_events(cutoff = {cutoff:Int64})
    WHERE type IN ('incident.opened', 'incident.closed')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    GROUP BY scope, incident_id
    HAVING countIf(type = 'incident.opened') > 0
  ),
