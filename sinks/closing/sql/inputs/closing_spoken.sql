-- Whether a topic has carried any event of the tenant or the platform before the month's end:
-- from then on silence means zero (contract, Verdicts).
WITH
  heard AS (
    SELECT topic, scope, min(time) AS first_time
    FROM (
      SELECT 'mail.ops' AS topic, toString(tenant_id) AS scope, time, landed_at FROM landed_ops_events(cutoff = {cutoff:Int64})
      -- How far a log is read says nothing of operations, nor does maintenance that nobody agreed to.
      WHERE type != 'source.progress' AND NOT (
        type = 'exclusion.declared' AND coalesce(toString(code), '') = 'agreed_maintenance'
        AND coalesce(consent_ref, '') = ''
      )
      UNION ALL
      SELECT 'mail.abuse', toString(tenant_id), time, landed_at FROM landed_abuse_events(cutoff = {cutoff:Int64})
      UNION ALL
      SELECT 'mail.antivirus', toString(tenant_id), time, landed_at FROM landed_antivirus_events(cutoff = {cutoff:Int64})
      UNION ALL
      SELECT 'mail.security', toString(tenant_id), time, landed_at FROM landed_security_events(cutoff = {cutoff:Int64})
      UNION ALL
      SELECT 'mail.backup', toString(tenant_id), time, landed_at FROM landed_backup_events(cutoff = {cutoff:Int64})
      UNION ALL
      SELECT 'mail.billing', toString(tenant_id), time, landed_at FROM landed_billing_events(cutoff = {cutoff:Int64})
      UNION ALL
      SELECT 'mail.support', toString(tenant_id), time, landed_at FROM landed_support_events(cutoff = {cutoff:Int64})
    )
    WHERE toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    GROUP BY topic, scope
  )
SELECT s.tenant_id AS tenant_id, h.topic AS topic
FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
INNER JOIN heard AS h ON s.scope = h.scope
WHERE toUnixTimestamp64Micro(h.first_time) < s.heard_until_us
GROUP BY tenant_id, topic
