-- Whether a topic has carried any event of the tenant or the platform before the month's end:
-- from then on silence means zero (contract, Verdicts).
WITH
  landed AS (
    SELECT 'mail.ops' AS topic, tenant_id, source, id, time, landed_at, `partition`, `offset`
    FROM ops_events
    -- How far a log is read says nothing of operations, nor does maintenance that nobody agreed to.
    WHERE type != 'source.progress' AND NOT (
      type = 'exclusion.declared' AND coalesce(toString(code), '') = 'agreed_maintenance'
      AND coalesce(consent_ref, '') = ''
    )
    {% for topic in ['abuse', 'antivirus', 'security', 'backup', 'billing', 'support'] %}
    UNION ALL
    SELECT 'mail.{{ topic }}', tenant_id, source, id, time, landed_at, `partition`, `offset`
    FROM {{ topic }}_events
    {% endfor %}
  ),
  -- What does not count is left out of all topics at once: that is planned once, not seven times.
  heard AS (
    SELECT topic, toString(tenant_id) AS scope, min(time) AS first_time
    FROM landed
    WHERE toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
      AND (topic, source, id) NOT IN (
        SELECT voids_topic, voids_source, voids_id FROM closing_voided(cutoff = {cutoff:Int64})
      )
      AND (topic, landed_at, `partition`, `offset`) NOT IN (
        SELECT topic, landed_at, `partition`, `offset` FROM conflict_log
      )
    GROUP BY topic, scope
  )
SELECT s.tenant_id AS tenant_id, h.topic AS topic
FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
INNER JOIN heard AS h ON s.scope = h.scope
WHERE toUnixTimestamp64Micro(h.first_time) < s.heard_until_us
GROUP BY tenant_id, topic
