-- Contract section 2: every message of the month. finished_us = 0: in flight at the cutoff, and
-- then only messages already over the maximum are here. left_out: an exclusion excuses it.
WITH
  periods AS (
    SELECT
      p.tenant_id AS tenant_id, p.scope AS scope, p.start_us AS start_us, p.end_us AS end_us,
      p.max_latency_us AS max_latency_us, e.starts AS starts, e.ends AS ends
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64}) AS p
    LEFT JOIN (
      SELECT tenant_id, starts, ends
      FROM closing_exclusions(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
      WHERE section = 2
    ) AS e ON p.tenant_id = e.tenant_id
  ),
  -- The earliest dispatch (attempt 1) or delivery of each message; one group is one message.
  -- Earliest is one number, (time, accepted_at, id), for the liable and for the other events:
  -- numbers compare ten times faster than tuples.
  finished AS (
    SELECT
      tenant_id,
      direction,
      message,
      minIf(place, NOT liable) AS free_place,
      minIf(place, liable) AS liable_place,
      countIf(liable) > 0 AND (countIf(NOT liable) = 0 OR liable_place < free_place) AS liable_first,
      if(liable_first, liable_place, free_place) AS first_place,
      toInt64(bitShiftRight(first_place, 192)) AS finished_us,
      toInt64(bitAnd(bitShiftRight(first_place, 128), 0xFFFFFFFFFFFFFFFF)) AS accepted_us
    FROM (
      SELECT tenant_id, direction, message, liable,
        bitShiftLeft(toUInt256(time_us), 192) + bitShiftLeft(toUInt256(accepted_us), 128)
          + id_prefix AS place
      FROM closing_mta(month = {month:Date}, cutoff = {cutoff:Int64})
      WHERE type IN ('message.dispatched', 'message.delivered') AND attempt = 1
    )
    GROUP BY tenant_id, direction, message
  ),
  -- Accepted; what of it has finished is found below.
  waiting AS (
    SELECT
      tenant_id,
      direction,
      message,
      minIf(place, NOT liable) AS free_place,
      minIf(place, liable) AS liable_place,
      countIf(liable) > 0 AND (countIf(NOT liable) = 0 OR liable_place < free_place) AS liable_first,
      toInt64(bitShiftRight(if(liable_first, liable_place, free_place), 192)) AS accepted_us
    FROM (
      SELECT tenant_id, direction, message, liable,
        bitShiftLeft(toUInt256(accepted_us), 192) + bitShiftLeft(toUInt256(time_us), 128)
          + id_prefix AS place
      FROM closing_mta(month = {month:Date}, cutoff = {cutoff:Int64})
      WHERE type = 'message.accepted'
    )
    GROUP BY tenant_id, direction, message
  ),
  -- A message finishes whatever the direction, however late, and be it only by a bounce.
  in_flight AS (
    SELECT o.tenant_id AS tenant_id, o.direction AS direction, o.message AS message,
      o.accepted_us AS accepted_us, o.liable_first AS liable
    FROM (
      SELECT sipHash128(tenant_id, source, message_id, recipient) AS message
      FROM counted_mta_events(cutoff = {cutoff:Int64})
      WHERE type IN (
          'message.dispatched', 'message.delivered',
          'message.bounced', 'message.expired', 'message.discarded'
        )
        AND coalesce(accepted_at, time) >= toDateTime64({month:Date}, 6, 'UTC') - INTERVAL 8 DAY
        AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    ) AS f
    RIGHT ANTI JOIN waiting AS o ON f.message = o.message
  ),
  every AS (
    SELECT tenant_id, direction, message, accepted_us, finished_us, liable_first AS liable
    FROM finished
    UNION ALL
    SELECT tenant_id, direction, message, accepted_us, toInt64(0) AS finished_us, liable
    FROM in_flight
  )
SELECT
  p.tenant_id AS tenant_id,
  e.direction AS direction,
  e.message AS message,
  e.accepted_us AS accepted_us,
  e.finished_us AS finished_us,
  e.finished_us - e.accepted_us AS latency_us,
  e.finished_us = 0 OR latency_us > p.max_latency_us AS over,
  -- The intervals are disjoint and ascending: the first that ends after the acceptance decides.
  e.liable OR (
    notEmpty(p.ends) AND p.ends[-1] > e.accepted_us AND (
      e.finished_us = 0
      OR p.starts[arrayFirstIndex(x -> x > e.accepted_us, p.ends)] <= e.finished_us
    )
  ) AS left_out
FROM every AS e
INNER JOIN periods AS p ON e.tenant_id = p.scope
WHERE e.accepted_us >= p.start_us AND e.accepted_us < p.end_us
  AND (e.finished_us > 0 OR {cutoff:Int64} - e.accepted_us > p.max_latency_us)
