-- Contract section 1: when each capability changes between unknown (0), works (1) and fails (2),
-- by the probes of one scope alone, under one hold factor. Only changes: a platform probed every
-- minute has few.
WITH
  viewers AS (
    SELECT DISTINCT arrayJoin([p.scope, '*']) AS scope, probe_hold_factor AS factor
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64}) AS p
  ),
  (
    SELECT (min(start_us), max(end_us))
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64})
  ) AS bounds,
  -- Time, then good before bad, then the longer interval, as one number that max() understands.
  results AS (
    SELECT
      toString(tenant_id) AS viewer,
      source, probe, channel, capability, scope AS reach,
      toUnixTimestamp64Micro(time) AS time_us,
      bitShiftLeft(toUInt128(time_us), 64)
        + bitShiftLeft(toUInt128(assumeNotNull(ok)), 60)
        + toUInt128(floor(assumeNotNull(interval_s) * 1000000 + 0.5)) AS packed
    FROM counted_probe_events(cutoff = {cutoff:Int64})
    WHERE type = 'probe.result'
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
      AND time_us < bounds.2
  ),
  -- Of what came before the month only the last result of a probe can still hold.
  latest AS (
    SELECT viewer, source, probe, channel, capability, reach, max(packed) AS packed
    FROM results
    GROUP BY viewer, source, probe, channel, capability, reach, if(time_us < bounds.1, 0, time_us)
  ),
  held AS (
    SELECT
      v.scope AS scope,
      v.factor AS factor,
      concat(l.capability, ' ', l.reach) AS capability,
      toInt64(bitShiftRight(l.packed, 64)) AS time_us,
      bitAnd(bitShiftRight(l.packed, 60), 1) = 1 AS ok,
      least(
        time_us + v.factor * toInt64(bitAnd(l.packed, 0x0FFFFFFFFFFFFFFF)),
        leadInFrame(toInt64(bitShiftRight(l.packed, 64)), 1, toInt64(9223372036854775807)) OVER (
          PARTITION BY v.scope, v.factor, l.source, l.probe, l.channel, l.capability, l.reach
          ORDER BY l.packed ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        )
      ) AS until_us
    FROM viewers AS v
    INNER JOIN latest AS l ON v.scope = l.viewer
  ),
  steps AS (
    SELECT scope, factor, capability, step.1 AS time_us, sum(step.2) AS good, sum(step.3) AS bad
    FROM (
      SELECT scope, factor, capability,
        arrayJoin([
          (time_us, toInt64(ok), toInt64(NOT ok)), (until_us, -toInt64(ok), -toInt64(NOT ok))
        ]) AS step
      FROM held
      WHERE until_us > time_us
    )
    GROUP BY scope, factor, capability, time_us
  ),
  states AS (
    SELECT scope, factor, capability, time_us,
      multiIf(
        sum(good) OVER running > 0, 1,
        sum(bad) OVER running > 0, 2,
        0
      ) AS state
    FROM steps
    WINDOW running AS (
      PARTITION BY scope, factor, capability ORDER BY time_us ROWS UNBOUNDED PRECEDING
    )
  )
SELECT scope, factor, capability, time_us, toInt8(state) AS state
FROM (
  SELECT *,
    lagInFrame(state, 1, 0) OVER (
      PARTITION BY scope, factor, capability ORDER BY time_us
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS former
  FROM states
)
WHERE state != former
