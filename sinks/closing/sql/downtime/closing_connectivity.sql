-- Contract section 1: stretches of time in which a scope is down (some capability fails) and known
-- (some capability is not unknown). A tenant with probes of its own has its own stretches, into
-- which the platform's probes speak where its own are silent; scope '*' serves all the others.
-- ``checked``: declared outages count only once they are approved.
WITH
  listeners AS (
    SELECT DISTINCT
      if(own, tenant, '*') AS scope,
      factor,
      checked,
      arrayJoin(if(own, [tenant, '*'], ['*'])) AS voice
    FROM (
      SELECT scope AS tenant, probe_hold_factor AS factor, has(approval, 'outage') AS checked,
        tenant IN (
          SELECT scope
          FROM closing_voices(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
          WHERE speaks != '*'
        ) AS own
      FROM closing_periods(month = {month:Date}, plan = {plan:UInt64})
    )
  ),
  heard AS (
    SELECT l.scope AS scope, l.factor AS factor, l.checked AS checked, c.capability AS capability, c.time_us AS time_us,
      maxIf(toNullable(c.state), l.voice != '*') AS own,
      maxIf(toNullable(c.state), l.voice = '*') AS platform,
      coalesce(last_value(own) IGNORE NULLS OVER so_far, 0) AS own_state,
      coalesce(last_value(platform) IGNORE NULLS OVER so_far, 0) AS platform_state,
      if(own_state != 0, own_state, platform_state) AS state
    FROM listeners AS l
    INNER JOIN closing_probe_changes(
      month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}
    ) AS c ON l.voice = c.scope AND l.factor = c.factor
    GROUP BY scope, factor, checked, capability, time_us
    WINDOW so_far AS (
      PARTITION BY scope, factor, checked, capability ORDER BY time_us ROWS UNBOUNDED PRECEDING
    )
  ),
  steps AS (
    SELECT scope, factor, checked, time_us,
      toInt64(state = 2) - toInt64(former = 2) AS failing_step,
      toInt64(state != 0) - toInt64(former != 0) AS known_step
    FROM (
      SELECT *,
        lagInFrame(state, 1, 0) OVER (
          PARTITION BY scope, factor, checked, capability ORDER BY time_us
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS former
      FROM heard
    )
    UNION ALL
    -- While an outage is declared the tenant is down, whatever the probes say.
    SELECT l.scope, l.factor, l.checked,
      o.turn.1 AS time_us, o.turn.2 AS failing_step, o.turn.2 AS known_step
    FROM listeners AS l
    INNER JOIN (
      SELECT scope, approved, arrayJoin([(starts_us, toInt64(1)), (ends_us, toInt64(-1))]) AS turn
      FROM closing_declared(cutoff = {cutoff:Int64})
      WHERE kind = 'outage'
    ) AS o ON l.voice = o.scope
    WHERE o.approved OR NOT l.checked
  ),
  states AS (
    SELECT scope, factor, checked, time_us,
      sum(sum(failing_step)) OVER running > 0 AS down,
      sum(sum(known_step)) OVER running > 0 AS known
    FROM steps
    GROUP BY scope, factor, checked, time_us
    WINDOW running AS (PARTITION BY scope, factor, checked ORDER BY time_us ROWS UNBOUNDED PRECEDING)
  ),
  turns AS (
    SELECT *
    FROM (
      SELECT *,
        lagInFrame((down, known), 1, (toUInt8(0), toUInt8(0))) OVER (
          PARTITION BY scope, factor, checked ORDER BY time_us
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS former
      FROM states
    )
    WHERE (down, known) != former
  )
SELECT * EXCEPT (former),
  leadInFrame(time_us, 1, time_us) OVER (
    PARTITION BY scope, factor, checked ORDER BY time_us
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
  ) AS until_us
FROM turns
