-- Contract section 2: the messages over the maximum and, of the tenants in `slow`, the slowest ones
-- behind a mean, down to their identity. ends_us = 0: in flight at the cutoff.
WITH
  picked AS (
    SELECT
      tenant_id, indicator, message, toString(direction) AS direction,
      accepted_us, finished_us, left_out,
      count() OVER (PARTITION BY tenant_id, indicator) AS total
    FROM (
      SELECT
        *,
        arrayJoin(arrayFilter(x -> x != '', [
          if(over, 'latency.exceedances', ''),
          if(
            finished_us > 0 AND NOT left_out AND tenant_id IN {slow:Array(String)},
            if(direction = 'outbound', 'latency.send.mean', 'latency.receive.mean'), ''
          )
        ])) AS indicator
      FROM closing_messages(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
      WHERE tenant_id IN {tenants:Array(String)}
        AND (over OR tenant_id IN {slow:Array(String)})
    )
    ORDER BY tenant_id, indicator, left_out, finished_us > 0, latency_us DESC, accepted_us, message
    LIMIT {shown:UInt32} BY tenant_id, indicator
  )
SELECT
  p.tenant_id AS tenant_id,
  p.indicator AS indicator,
  n.message_id AS reference,
  map(
    'direction', p.direction, 'source', n.source, 'recipient', n.recipient,
    'excused', if(p.left_out, 'yes', '')
  ) AS about,
  p.accepted_us AS begins_us,
  p.finished_us AS ends_us,
  toInt64(0) AS due_us,
  p.total AS total
FROM (
  SELECT sipHash128(tenant_id, source, message_id, recipient) AS message,
    toString(source) AS source, message_id, recipient
  FROM mta_events
  WHERE tenant_id IN {tenants:Array(String)}
    AND coalesce(accepted_at, time) >= toDateTime64({month:Date}, 6, 'UTC') - INTERVAL 8 DAY
    AND coalesce(accepted_at, time)
      < toDateTime64({month:Date}, 6, 'UTC') + INTERVAL 1 MONTH + INTERVAL 8 DAY
) AS n
INNER JOIN picked AS p ON n.message = p.message
ORDER BY
  tenant_id, indicator, p.left_out, p.finished_us > 0, p.finished_us - p.accepted_us DESC,
  p.accepted_us, reference
LIMIT 1 BY tenant_id, indicator, p.message
