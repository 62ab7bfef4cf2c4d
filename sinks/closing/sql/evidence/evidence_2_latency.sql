-- Contract section 2: every message of the month with its latency; those left out do not count.
WITH
  messages AS (
    SELECT *
    FROM closing_messages(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    WHERE tenant_id = {tenant:String}
  ),
  named AS (
    SELECT DISTINCT sipHash128(tenant_id, source, message_id, recipient) AS message,
      toString(source) AS source, message_id, recipient
    FROM mta_events
    WHERE tenant_id IN (
        SELECT scope
        FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
        WHERE tenant_id = {tenant:String} AND scope != '*'
      )
      AND coalesce(accepted_at, time) >= toDateTime64({month:Date}, 6, 'UTC') - INTERVAL 8 DAY
      AND coalesce(accepted_at, time)
        < toDateTime64({month:Date}, 6, 'UTC') + INTERVAL 1 MONTH + INTERVAL 8 DAY
  )
SELECT
  m.tenant_id AS tenant_id,
  arrayJoin(
    arrayConcat(
      multiIf(
        m.finished_us = 0, [],
        m.direction = 'outbound', ['latency.send.mean', 'latency.send.max'],
        ['latency.receive.mean', 'latency.receive.max']
      ),
      if(m.over, ['latency.exceedances'], [])
    )
  ) AS indicator,
  concat(n.source, ' ', n.message_id, ' to ', n.recipient) AS item,
  m.accepted_us AS from_us,
  m.finished_us AS to_us,
  if(indicator = 'latency.exceedances', toInt128(1), toInt128(m.latency_us)) AS amount,
  toInt128(0) AS excused,
  NOT m.left_out AS counts,
  concat(
    toString(m.direction), if(m.left_out, ', left out', ''),
    multiIf(
      m.finished_us = 0, ', not finished',
      indicator = 'latency.exceedances', concat(', ', toString(m.latency_us / 1e6), ' s'),
      ''
    )
  ) AS note
FROM messages AS m
INNER JOIN named AS n ON m.message = n.message
