-- Contract section 4: the cases whose deadline is in the month, and outside sources confirmed in it.
SELECT
  tenant_id,
  toString(indicator) AS indicator,
  toString(case_id) AS item,
  received_us AS from_us,
  answered_us AS to_us,
  toInt128(1) AS amount,
  toInt128(0) AS excused,
  late AS counts,
  concat('due before ', toString(fromUnixTimestamp64Micro(by_us, 'UTC')), 'Z') AS note
FROM closing_cases(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
WHERE tenant_id = {tenant:String}
UNION ALL
SELECT
  s.tenant_id AS tenant_id,
  'antispam.foreign_source_report' AS indicator,
  f.case_id AS item,
  f.confirmed_us AS from_us,
  toInt64(0) AS to_us,
  toInt128(1) AS amount,
  toInt128(0) AS excused,
  length(f.told) < 3 AS counts,
  if(empty(f.told), 'reported to nobody', concat('reported to ', arrayStringConcat(f.told, ', '))) AS note
FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
INNER JOIN (
  SELECT
    toString(tenant_id) AS scope,
    toString(case_id) AS case_id,
    minIf(toUnixTimestamp64Micro(time), type = 'source.confirmed') AS confirmed_us,
    arraySort(groupUniqArrayIf(
      toString(assumeNotNull(reported_to)), type = 'source.reported' AND reported_to IS NOT NULL
    )) AS told
  FROM counted_abuse_events(cutoff = {cutoff:Int64})
  WHERE type IN ('source.confirmed', 'source.reported')
    AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
  GROUP BY scope, case_id
  HAVING countIf(type = 'source.confirmed') > 0
) AS f ON s.scope = f.scope
WHERE s.tenant_id = {tenant:String}
  AND f.confirmed_us >= s.start_us AND f.confirmed_us < s.end_us
