-- Contract section 8: the orders whose deadline is in the active part of the month, and whether they
-- were opened and notified by then. answered_us = 0: not.
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
    FROM counted_billing_events(cutoff = {cutoff:Int64})
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
      -- The version in force at the payment says how long it may take.
      if(
        empty(s.changes) OR o.paid_us < s.changes[1].from_us,
        (toInt64(0), s.own_domain_us, s.new_domain_us),
        arrayLast(change -> change.from_us <= o.paid_us, s.changes)
      ) AS allowed,
      o.paid_us + if(o.domain_kind = 'own', allowed.2, allowed.3) AS by_us,
      toString(o.order_id) AS case_id,
      o.paid_us AS received_us,
      if(o.done, o.done_us, 0) AS answered_us,
      if(o.done, o.done_us > by_us, by_us <= {cutoff:Int64}) AS late
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
    INNER JOIN orders AS o ON s.scope = o.scope
  )
SELECT tenant_id, indicator, case_id, received_us, by_us, answered_us, late
FROM due
WHERE by_us >= start_us AND by_us < end_us
