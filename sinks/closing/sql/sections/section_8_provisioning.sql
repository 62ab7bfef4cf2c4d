-- Contract section 8: orders opened or notified too late, or not at all.
WITH
  violations AS (
    SELECT tenant_id, indicator, countIf(late) AS violations
    FROM closing_orders(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    GROUP BY tenant_id, indicator
  )
SELECT
  s.tenant_id AS tenant_id,
  s.indicator AS indicator,
  toInt256(v.violations) AS num,
  toInt256(1) AS den,
  num AS raw_num,
  toInt256(1) AS raw_den,
  toInt256(0) AS excluded_num,
  toInt256(1) AS excluded_den,
  toUInt64(v.violations) AS evidence_count,
  true AS has_data,
  false AS settled
FROM (
  SELECT
    tenant_id,
    arrayJoin([
      'provisioning.own_domain', 'provisioning.new_domain'
    ]) AS indicator
  FROM closing_spoken(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
  WHERE topic = 'mail.billing'
) AS s
LEFT JOIN violations AS v ON s.tenant_id = v.tenant_id AND s.indicator = v.indicator
