-- Section 9: spells in which every channel that is known is down.
WITH
  changes AS (
    SELECT s.tenant_id AS tenant_id, s.start_us AS start_us, s.until_us AS until_us,
      toString(c.channel) AS channel, toUnixTimestamp64Micro(c.time) AS time_us,
      toInt64(max(c.type = 'channel.up')) AS up
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
    INNER JOIN (
      SELECT *, toString(tenant_id) AS scope
      FROM counted_support_events(cutoff = {cutoff:Int64})
      WHERE type IN ('channel.up', 'channel.down')
        AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    ) AS c ON s.scope = c.scope
    WHERE time_us < s.until_us AND s.tenant_id IN {tenants:Array(String)}
    GROUP BY tenant_id, start_us, until_us, channel, time_us
  ),
  steps AS (
    SELECT *,
      up - lagInFrame(up, 1, 0) OVER (
        PARTITION BY tenant_id, channel ORDER BY time_us
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) AS step
    FROM changes
  ),
  states AS (
    SELECT tenant_id, start_us, until_us, time_us,
      sum(step) OVER (PARTITION BY tenant_id ORDER BY time_us ROWS UNBOUNDED PRECEDING) AS ups,
      leadInFrame(time_us, 1, until_us) OVER (
        PARTITION BY tenant_id ORDER BY time_us
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) AS next_us
    FROM (
      SELECT tenant_id, start_us, until_us, time_us, sum(step) AS step
      FROM steps
      GROUP BY tenant_id, start_us, until_us, time_us
    )
  )
SELECT
  tenant_id, 'support.availability' AS indicator, '' AS reference, map('', '') AS about,
  greatest(time_us, start_us) AS begins_us, next_us AS ends_us, toInt64(0) AS due_us,
  count() OVER (PARTITION BY tenant_id) AS total
FROM states
WHERE ups = 0 AND next_us > greatest(time_us, start_us)
ORDER BY tenant_id, begins_us
LIMIT {shown:UInt32} BY tenant_id
