-- Every message over the maximum latency, down to its identity. finished_at is null in flight.
WITH
  (SELECT max(plan) FROM plans WHERE month = {month:Date}) AS newest,
  over_limit AS (
    SELECT *
    FROM closing_messages(
      month = {month:Date},
  plan = newest,
  cutoff = toUnixTimestamp64Micro(now64(6))
    )
    -- The whole months, not their parts.
    WHERE over AND position(tenant_id, '/') = 0
  ),
  named AS (
    SELECT DISTINCT sipHash128(tenant_id, source, message_id, recipient) AS message,
      source, message_id, recipient
    FROM mta_events
    WHERE coalesce(accepted_at, time) >= toDateTime64({month:Date}, 6, 'UTC') - INTERVAL 8 DAY
      AND coalesce(accepted_at, time)
        < toDateTime64({month:Date}, 6, 'UTC') + INTERVAL 1 MONTH + INTERVAL 8 DAY
      AND message IN (SELECT message FROM over_limit)
  )
SELECT
  o.tenant_id AS tenant_id,
  {month:Date} AS month,
  o.direction AS direction,
  toString(n.source) AS source,
  n.message_id AS message_id,
  n.recipient AS recipient,
  fromUnixTimestamp64Micro(o.accepted_us, 'UTC') AS accepted_at,
  if(o.finished_us > 0, fromUnixTimestamp64Micro(o.finished_us, 'UTC'), NULL) AS finished_at,
  if(o.finished_us > 0, o.latency_us / 1e6, NULL) AS latency_s,
  o.left_out AS left_out
FROM over_limit AS o
INNER JOIN named AS n ON o.message = n.message
