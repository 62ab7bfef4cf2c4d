-- Contract section 3: customers billed wrong, page loads, the time monitored.
WITH
  scopes AS (
    SELECT *
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    WHERE tenant_id = {tenant:String}
  ),
  customers AS (
    SELECT toString(tenant_id) AS customer,
      arrayStringConcat(arraySort(groupUniqArrayIf(coalesce(charge_id, ''), type = 'billing.error_confirmed')), ', ')
        AS charges,
      minIf(toUnixTimestamp64Micro(time), type = 'billing.error_confirmed') AS found_us,
      countIf(type = 'billing.error_confirmed') > 0 AS was_wrong
    FROM counted_billing_events(cutoff = {cutoff:Int64})
    WHERE type IN ('customer.charged', 'billing.error_confirmed')
      AND billing_month = formatDateTime({month:Date}, '%Y-%m')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    GROUP BY customer
    HAVING countIf(type = 'customer.charged') > 0
  ),
  pages AS (
    SELECT s.tenant_id AS tenant_id, s.scope AS scope, toString(g.bandwidth) AS bandwidth,
      coalesce(g.url, g.vantage, '') AS page, toUnixTimestamp64Micro(g.time) AS time_us,
      toInt128(floor(assumeNotNull(g.load_ms) * 1000 + 0.5)) AS load_us
    FROM scopes AS s
    INNER JOIN (SELECT *, toString(tenant_id) AS voice FROM counted_probe_events(cutoff = {cutoff:Int64})) AS g
      ON s.scope = g.voice
    WHERE g.type = 'page.loaded'
      AND toUnixTimestamp64Micro(g.landed_at) <= {cutoff:Int64}
      AND time_us >= s.start_us AND time_us < s.end_us
  ),
  beats AS (
    SELECT s.tenant_id AS tenant_id, toString(b.monitor) AS monitor,
      greatest(toUnixTimestamp64Micro(b.time), s.start_us) AS from_us,
      least(
        toUnixTimestamp64Micro(b.time) + 2 * toInt64(floor(assumeNotNull(b.interval_s) * 1000000 + 0.5)),
        s.until_us
      ) AS to_us
    FROM scopes AS s
    INNER JOIN (SELECT *, toString(tenant_id) AS voice FROM counted_ops_events(cutoff = {cutoff:Int64})) AS b
      ON s.scope = b.voice
    WHERE b.type = 'monitor.heartbeat'
      AND toUnixTimestamp64Micro(b.landed_at) <= {cutoff:Int64}
      AND from_us < to_us
  ),
  watched AS (
    SELECT *,
      sum(opens) OVER (ORDER BY from_us, to_us ROWS UNBOUNDED PRECEDING) AS island
    FROM (
      SELECT *,
        from_us > max(to_us) OVER (
          ORDER BY from_us, to_us ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS opens
      FROM beats
    )
  )
SELECT
  {tenant:String} AS tenant_id,
  'operations.billing_error_rate' AS indicator,
  if(was_wrong, concat(customer, ': ', charges), 'customers charged') AS item,
  min(found_us) AS from_us,
  toInt64(0) AS to_us,
  toInt128(count()) AS amount,
  toInt128(0) AS excused,
  was_wrong AS counts,
  if(was_wrong, 'billed wrong', 'billed right') AS note
FROM customers
GROUP BY was_wrong, item
UNION ALL
SELECT
  tenant_id,
  concat('operations.page_load.', bandwidth) AS indicator,
  if(scope = '*', concat(page, ' (platform)'), page) AS item,
  time_us AS from_us,
  toInt64(0) AS to_us,
  load_us AS amount,
  toInt128(0) AS excused,
  scope = max(scope) OVER (PARTITION BY bandwidth) AS counts,
  if(counts, '', 'the tenant has samples of its own') AS note
FROM pages
UNION ALL
SELECT
  tenant_id,
  'operations.monitoring' AS indicator,
  arrayStringConcat(arraySort(groupUniqArray(monitor)), ', ') AS item,
  min(w.from_us) AS from_us,
  max(w.to_us) AS to_us,
  toInt128(max(w.to_us) - min(w.from_us)) AS amount,
  toInt128(0) AS excused,
  true AS counts,
  '' AS note
FROM watched AS w
GROUP BY tenant_id, island
