-- Contract section 8: orders opened and notified too late, or not at all. An order belongs to the
-- month of its deadline.
WITH
  orders AS (
    SELECT
      toString(tenant_id) AS scope,
      order_id,
      minIf(toUnixTimestamp64Micro(time), type = 'payment.confirmed') AS paid_us,
      argMinIf(toString(domain_kind), (time, id), type = 'payment.confirmed') AS domain_kind,
      countIf(type = 'service.opened') > 0 AS done,
      minIf(
        toUnixTimestamp64Micro(greatest(time, coalesce(notified_at, time))), type = 'service.opened'
      ) AS done_us
    FROM billing_events FINAL
    WHERE type IN ('payment.confirmed', 'service.opened')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    GROUP BY scope, order_id
    HAVING countIf(type = 'payment.confirmed') > 0
  ),
  due AS (
    SELECT
      s.tenant_id AS tenant_id,
      s.start_us AS start_us,
      s.end_us AS end_us,
      if(o.domain_kind = 'own', 'provisioning.own_domain', 'provisioning.new_domain') AS indicator,
      o.paid_us + if(o.domain_kind = 'own', s.own_domain_us, s.new_domain_us) AS by_us,
      if(o.done, o.done_us > by_us, by_us <= {cutoff:Int64}) AS late
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
    INNER JOIN orders AS o ON s.scope = o.scope
  ),
  violations AS (
    SELECT tenant_id, indicator, countIf(late) AS violations
    FROM due
    WHERE by_us >= start_us AND by_us < end_us
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
