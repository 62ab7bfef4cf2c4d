-- Contract section 3: billing errors of the platform, page loads, share of the month monitored.
WITH
  periods AS (
    SELECT tenant_id, scope, start_us, end_us, least(end_us, {cutoff:Int64}) AS until_us
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64})
  ),
  billing AS (
    SELECT countIf(was_charged) AS charged, countIf(was_charged AND was_wrong) AS wrong
    FROM (
      SELECT countIf(type = 'customer.charged') > 0 AS was_charged,
        countIf(type = 'billing.error_confirmed') > 0 AS was_wrong
      FROM counted_billing_events(cutoff = {cutoff:Int64})
      WHERE type IN ('customer.charged', 'billing.error_confirmed')
        AND billing_month = formatDateTime({month:Date}, '%Y-%m')
        AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
      GROUP BY tenant_id
    )
  ),
  pages AS (
    SELECT toString(tenant_id) AS scope, toString(bandwidth) AS bandwidth,
      toUnixTimestamp64Micro(time) AS time_us,
      toInt128(floor(assumeNotNull(load_ms) * 1000 + 0.5)) AS load_us
    FROM counted_probe_events(cutoff = {cutoff:Int64})
    WHERE type = 'page.loaded'
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
      AND toUnixTimestamp64Micro(time) >= (SELECT min(start_us) FROM periods)
      AND toUnixTimestamp64Micro(time) < (SELECT max(end_us) FROM periods)
  ),
  own_pages AS (
    SELECT p.tenant_id AS tenant_id, g.bandwidth AS bandwidth, sum(g.load_us) AS load_us, count() AS loads
    FROM periods AS p
    INNER JOIN pages AS g ON p.scope = g.scope
    WHERE g.time_us >= p.start_us AND g.time_us < p.end_us
    GROUP BY tenant_id, bandwidth
  ),
  -- Per part of the month, not per tenant: there are few of those.
  platform_pages AS (
    SELECT p.start_us AS start_us, p.end_us AS end_us, g.bandwidth AS bandwidth,
      sum(g.load_us) AS load_us, count() AS loads
    FROM (SELECT DISTINCT start_us, end_us, '*' AS scope FROM periods) AS p
    INNER JOIN pages AS g ON p.scope = g.scope
    WHERE g.time_us >= p.start_us AND g.time_us < p.end_us
    GROUP BY start_us, end_us, bandwidth
  ),
  bands AS (
    SELECT p.*, arrayJoin(['narrowband', 'broadband']) AS bandwidth FROM periods AS p
  ),
  -- Heartbeats are many: each scope's are merged before tenants come in.
  beats AS (
    SELECT toString(tenant_id) AS scope, toUnixTimestamp64Micro(time) AS from_us,
      from_us + 2 * toInt64(floor(assumeNotNull(interval_s) * 1000000 + 0.5)) AS to_us
    FROM counted_ops_events(cutoff = {cutoff:Int64})
    WHERE type = 'monitor.heartbeat'
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
      AND to_us > (SELECT min(start_us) FROM periods)
      AND from_us < (SELECT max(end_us) FROM periods)
  ),
  beat_islands AS (
    SELECT scope, min(from_us) AS from_us, max(to_us) AS to_us
    FROM (
      SELECT *, sum(opens) OVER (PARTITION BY scope ORDER BY from_us, to_us ROWS UNBOUNDED PRECEDING) AS island
      FROM (
        SELECT *,
          from_us > max(to_us) OVER (
            PARTITION BY scope ORDER BY from_us, to_us
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
          ) AS opens
        FROM beats
      )
    )
    GROUP BY scope, island
  ),
  watched AS (
    SELECT tenant_id,
      sum(greatest(0, to_us - greatest(from_us, coalesce(covered_us, 0)))) AS watched_us,
      count() AS spells
    FROM (
      SELECT *,
        max(to_us) OVER (
          PARTITION BY tenant_id ORDER BY from_us, to_us
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS covered_us
      FROM (
        SELECT s.tenant_id AS tenant_id, greatest(b.from_us, s.start_us) AS from_us,
          least(b.to_us, s.until_us) AS to_us
        FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
        INNER JOIN beat_islands AS b ON s.scope = b.scope
        WHERE from_us < to_us
      )
    )
    GROUP BY tenant_id
  ),
  measured AS (
    SELECT tenant_id, 'operations.billing_error_rate' AS indicator,
      toInt256((SELECT wrong FROM billing)) AS num,
      toInt256((SELECT charged FROM billing)) AS den,
      toUInt64((SELECT wrong FROM billing)) AS evidence_count
    FROM periods
    UNION ALL
    SELECT b.tenant_id AS tenant_id, concat('operations.page_load.', b.bandwidth) AS indicator,
      toInt256(if(o.loads > 0, o.load_us, f.load_us)) AS num,
      toInt256(if(o.loads > 0, o.loads, f.loads)) * 1000000 AS den,
      toUInt64(if(o.loads > 0, o.loads, f.loads)) AS evidence_count
    FROM bands AS b
    LEFT JOIN own_pages AS o ON b.tenant_id = o.tenant_id AND b.bandwidth = o.bandwidth
    LEFT JOIN platform_pages AS f
      ON b.start_us = f.start_us AND b.end_us = f.end_us AND b.bandwidth = f.bandwidth
    UNION ALL
    SELECT p.tenant_id AS tenant_id, 'operations.monitoring' AS indicator,
      toInt256(w.watched_us) AS num,
      toInt256(p.end_us - p.start_us) AS den,
      toUInt64(w.spells) AS evidence_count
    FROM periods AS p
    LEFT JOIN watched AS w ON p.tenant_id = w.tenant_id
  )
SELECT
  tenant_id,
  indicator,
  num,
  den,
  num AS raw_num,
  den AS raw_den,
  toInt256(0) AS excluded_num,
  toInt256(1) AS excluded_den,
  evidence_count,
  den > 0 AS has_data,
  false AS settled
FROM measured
