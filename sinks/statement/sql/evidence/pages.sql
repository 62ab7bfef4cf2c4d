-- Section 3: the slowest page loads behind a mean, of the tenants in `slow`; a tenant without
-- samples of its own is judged by the platform's. ends_us - begins_us is the load time.
SELECT
  tenant_id, indicator, reference, map('url', url, 'source', source) AS about,
  begins_us, begins_us + load_us AS ends_us, toInt64(0) AS due_us,
  count() OVER (PARTITION BY tenant_id, indicator) AS total
FROM (
  SELECT
    s.tenant_id AS tenant_id,
    concat('operations.page_load.', toString(f.bandwidth)) AS indicator,
    f.id AS reference,
    coalesce(f.url, '') AS url,
    toString(f.source) AS source,
    toUnixTimestamp64Micro(f.time) AS begins_us,
    toInt64(floor(assumeNotNull(f.load_ms) * 1000 + 0.5)) AS load_us,
    s.scope != '*' AS own,
    max(own) OVER (PARTITION BY tenant_id, indicator) AS has_own
  FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
  INNER JOIN (
    SELECT *, toString(tenant_id) AS scope
    FROM counted_probe_events(cutoff = {cutoff:Int64})
    WHERE type = 'page.loaded'
      AND (tenant_id IN {slow:Array(String)} OR tenant_id = '*')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
  ) AS f ON s.scope = f.scope
  WHERE s.tenant_id IN {slow:Array(String)}
    AND begins_us >= s.start_us AND begins_us < s.end_us
)
WHERE own = has_own
ORDER BY tenant_id, indicator, load_us DESC, begins_us, reference
LIMIT {shown:UInt32} BY tenant_id, indicator
