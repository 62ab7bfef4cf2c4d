-- Contract section 9: every stretch of the month in which each known channel was down.
WITH
  seen AS (
    SELECT s.tenant_id AS tenant_id, s.start_us AS start_us, s.until_us AS until_us,
      toString(c.channel) AS channel, toUnixTimestamp64Micro(c.time) AS time_us,
      toInt64(max(c.type = 'channel.up')) AS up
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
    INNER JOIN (SELECT *, toString(tenant_id) AS voice FROM counted_support_events(cutoff = {cutoff:Int64})) AS c
      ON s.scope = c.voice
    WHERE s.tenant_id = {tenant:String} AND c.type IN ('channel.up', 'channel.down')
      AND toUnixTimestamp64Micro(c.landed_at) <= {cutoff:Int64} AND time_us < s.until_us
    GROUP BY tenant_id, start_us, until_us, channel, time_us
  ),
  steps AS (
    SELECT tenant_id, start_us, until_us, time_us, sum(up - former) AS up_step
    FROM (
      SELECT *,
        lagInFrame(up, 1, 0) OVER (
          PARTITION BY channel ORDER BY time_us
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS former
      FROM seen
    )
    GROUP BY tenant_id, start_us, until_us, time_us
  ),
  states AS (
    SELECT *,
      sum(up_step) OVER (ORDER BY time_us ROWS UNBOUNDED PRECEDING) AS ups,
      leadInFrame(time_us, 1, until_us) OVER (
        ORDER BY time_us ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) AS next_us
    FROM steps
  )
SELECT
  tenant_id,
  'support.availability' AS indicator,
  'every known channel down' AS item,
  greatest(time_us, start_us) AS from_us,
  next_us AS to_us,
  toInt128(to_us - from_us) AS amount,
  toInt128(0) AS excused,
  true AS counts,
  '' AS note
FROM states
WHERE ups = 0 AND next_us > from_us
