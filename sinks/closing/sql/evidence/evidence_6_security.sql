-- Contract section 6: the incidents of the month.
SELECT
  s.tenant_id AS tenant_id,
  'security.incidents' AS indicator,
  toString(f.incident_id) AS item,
  min(f.time_us) AS from_us,
  toInt64(0) AS to_us,
  toInt128(1) AS amount,
  toInt128(0) AS excused,
  true AS counts,
  any(concat(toString(f.kind), ', ', toString(f.severity))) AS note
FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
INNER JOIN (
  SELECT toString(tenant_id) AS voice, toUnixTimestamp64Micro(time) AS time_us, incident_id, kind,
    severity
  FROM counted_security_events(cutoff = {cutoff:Int64})
  WHERE toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
) AS f ON s.scope = f.voice
WHERE s.tenant_id = {tenant:String} AND f.time_us >= s.start_us AND f.time_us < s.end_us
GROUP BY tenant_id, item
