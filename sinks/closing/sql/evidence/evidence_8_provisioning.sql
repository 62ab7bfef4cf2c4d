-- Contract section 8: the orders whose deadline is in the month.
SELECT
  tenant_id,
  toString(indicator) AS indicator,
  case_id AS item,
  received_us AS from_us,
  answered_us AS to_us,
  toInt128(1) AS amount,
  toInt128(0) AS excused,
  late AS counts,
  concat('due by ', toString(fromUnixTimestamp64Micro(by_us, 'UTC')), 'Z') AS note
FROM closing_orders(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
WHERE tenant_id = {tenant:String}
