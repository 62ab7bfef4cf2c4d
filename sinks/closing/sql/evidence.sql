-- The rows a figure is made of, as they stand now. What is a length of time, or made of such, has
-- its amounts in seconds; the others count.
SELECT
  tenant_id,
  {month:Date} AS month,
  indicator,
  item,
  if(from_us > 0, fromUnixTimestamp64Micro(from_us, 'UTC'), NULL) AS since,
  if(to_us > 0, fromUnixTimestamp64Micro(to_us, 'UTC'), NULL) AS until,
  counts,
  match(
    indicator,
    '^(connectivity|latency\\.[rs]|operations\\.[afmp]|antivirus\\.scan_delay|support\\.)'
  ) AS timed,
  toFloat64(e.amount) / if(timed, 1e6, 1) AS amount,
  toFloat64(e.excused) / if(timed, 1e6, 1) AS excused,
  note
