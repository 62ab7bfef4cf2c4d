-- Section 5: scans left out, scans against the mailbox's policy, and of the tenants in `slow` the
-- slowest ones behind the mean; for these ends_us - begins_us is the scan time.
SELECT
  s.tenant_id AS tenant_id,
  indicator,
  f.message_id AS reference,
  map(
    'mailbox', f.mailbox, 'scan', f.verdict, 'action', f.action, 'policy', f.policy,
    'source', f.source
  ) AS about,
  f.time_us AS begins_us,
  if(indicator = 'antivirus.scan_delay', f.time_us + f.scan_us, 0) AS ends_us,
  toInt64(0) AS due_us,
  -- Against the policy a message counts once, however often it was scanned.
  if(
    indicator = 'antivirus.policy_mismatch',
    uniqExact((f.source, f.message_id, f.mailbox)) OVER (PARTITION BY tenant_id, indicator),
    count() OVER (PARTITION BY tenant_id, indicator)
  ) AS total
FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
INNER JOIN (
  SELECT
    toString(tenant_id) AS scope,
    toUnixTimestamp64Micro(time) AS time_us,
    toString(source) AS source,
    toInt64(floor(coalesce(scan_ms, 0) * 1000 + 0.5)) AS scan_us,
    assumeNotNull(message_id) AS message_id,
    assumeNotNull(mailbox) AS mailbox,
    assumeNotNull(toString(verdict)) AS verdict,
    assumeNotNull(toString(action)) AS action,
    assumeNotNull(toString(policy)) AS policy,
    arrayJoin(arrayFilter(x -> x != '', [
      if(verdict IN ('skipped', 'error') AND policy != 'off', 'antivirus.unscanned', ''),
      if(
        (policy = 'detect' AND action NOT IN ('none', 'tagged'))
        OR (policy = 'clean' AND verdict = 'infected' AND action IN ('none', 'tagged'))
        OR (verdict = 'infected' AND coalesce(kept_original != keep_original_policy, false)),
        'antivirus.policy_mismatch', ''
      ),
      if(
        scan_ms IS NOT NULL AND tenant_id IN {slow:Array(String)}, 'antivirus.scan_delay', ''
      )
    ])) AS indicator
  FROM counted_antivirus_events(cutoff = {cutoff:Int64})
  WHERE type = 'message.scanned'
    AND tenant_id IN {tenants:Array(String)}
    AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
) AS f ON s.scope = f.scope
WHERE f.time_us >= s.start_us AND f.time_us < s.end_us
ORDER BY tenant_id, indicator, ends_us - begins_us DESC, begins_us, reference
LIMIT {shown:UInt32} BY tenant_id, indicator
