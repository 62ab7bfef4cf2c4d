-- Contract section 9: time in which every channel that is known is down. Of a channel the last
-- change counts, be it the tenant's or the platform's; at the same instant up wins.
WITH
  changes AS (
    SELECT toString(tenant_id) AS scope, channel, toUnixTimestamp64Micro(time) AS time_us,
      type = 'channel.up' AS up
    FROM counted_support_events(cutoff = {cutoff:Int64})
    WHERE type IN ('channel.up', 'channel.down')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
  ),
  periods AS (
    SELECT tenant_id, any(start_us) AS start_us, any(until_us) AS until_us, any(end_us) AS end_us,
      maxIf(scope, scope != '*' AND scope IN (SELECT scope FROM changes)) AS speaker
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    GROUP BY tenant_id
  ),
  -- Tenants of whose own channels nothing was said see the same in the same period.
  seen AS (
    SELECT s.speaker AS speaker, s.start_us AS start_us, s.until_us AS until_us,
      s.end_us AS end_us, toString(c.channel) AS channel, c.time_us AS time_us,
      toInt64(max(c.up)) AS up
    FROM (
      SELECT DISTINCT speaker, start_us, until_us, end_us,
        arrayJoin(if(speaker = '', ['*'], ['*', speaker])) AS scope
      FROM periods
    ) AS s
    INNER JOIN changes AS c ON s.scope = c.scope
    WHERE c.time_us < s.until_us
    GROUP BY speaker, start_us, until_us, end_us, channel, time_us
  ),
  steps AS (
    SELECT
      *,
      row_number() OVER (PARTITION BY speaker, start_us, end_us, channel ORDER BY time_us) = 1 AS first,
      up - lagInFrame(up, 1, 0) OVER (
        PARTITION BY speaker, start_us, end_us, channel ORDER BY time_us
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) AS up_step
    FROM seen
  ),
  instants AS (
    SELECT speaker, start_us, until_us, end_us, time_us,
      sum(toInt64(first)) AS known_step, sum(up_step) AS up_step
    FROM steps
    GROUP BY speaker, start_us, until_us, end_us, time_us
  ),
  states AS (
    SELECT
      *,
      sum(up_step) OVER (PARTITION BY speaker, start_us, end_us ORDER BY time_us ROWS UNBOUNDED PRECEDING) AS ups,
      leadInFrame(time_us, 1, until_us) OVER (
        PARTITION BY speaker, start_us, end_us ORDER BY time_us
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) AS next_us
    FROM instants
  ),
  totals AS (
    SELECT speaker, start_us, end_us, any(end_us - start_us) AS length_us,
      sum(greatest(0, next_us - greatest(time_us, start_us))) AS known_us,
      sumIf(greatest(0, next_us - greatest(time_us, start_us)), ups = 0) AS down_us,
      countIf(ups = 0 AND next_us > greatest(time_us, start_us)) AS spells
    FROM states
    GROUP BY speaker, start_us, end_us
  )
SELECT
  p.tenant_id AS tenant_id,
  'support.availability' AS indicator,
  toInt256(length_us - down_us) AS num,
  toInt256(length_us) AS den,
  num AS raw_num,
  if(known_us > 0, den, toInt256(0)) AS raw_den,
  toInt256(0) AS excluded_num,
  toInt256(1) AS excluded_den,
  toUInt64(spells) AS evidence_count,
  known_us > 0 AS has_data,
  false AS settled
FROM periods AS p
INNER JOIN totals AS t
  ON p.speaker = t.speaker AND p.start_us = t.start_us AND p.end_us = t.end_us
