-- Section 5: scans left out, and scans against the mailbox's policy.
SELECT
  s.tenant_id AS tenant_id,
  indicator,
  f.message_id AS reference,
  map(
    'mailbox', f.mailbox, 'scan', f.verdict, 'action', f.action, 'policy', f.policy,
    'source', f.source
  ) AS about,
  f.time_us AS begins_us,
  toInt64(0) AS ends_us,
  toInt64(0) AS due_us,
  count() OVER (PARTITION BY tenant_id, indicator) AS total
FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
INNER JOIN (
  SELECT
    toString(tenant_id) AS scope,
    toUnixTimestamp64Micro(time) AS time_us,
    toString(source) AS source,
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
      )
    ])) AS indicator
  FROM antivirus_events FINAL
  WHERE type = 'message.scanned'
    AND tenant_id IN {tenants:Array(String)}
    AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
) AS f ON s.scope = f.scope
WHERE f.time_us >= s.start_us AND f.time_us < s.end_us
ORDER BY tenant_id, indicator, begins_us, reference
LIMIT {shown:UInt32} BY tenant_id, indicator
