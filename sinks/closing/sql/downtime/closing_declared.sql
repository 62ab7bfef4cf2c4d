-- Contract, Exclusions and section 1: the exclusions and declared outages that stand at the cutoff.
-- Of one identity the latest declaration counts, unless it was revoked at or after it. Approved:
-- another actor than the named one who declared it has agreed to it since.
WITH
  approvals AS (
    SELECT toString(tenant_id) AS scope, approves,
      groupArray((coalesce(actor, ''), toUnixTimestamp64Micro(time))) AS given
    FROM counted_ops_events(cutoff = {cutoff:Int64})
    WHERE type = 'approval.given'
    GROUP BY scope, approves
  ),
  standing AS (
    SELECT
      toString(tenant_id) AS scope,
      if(startsWith(type, 'outage.'), 'outage', 'exclusion') AS kind,
      assumeNotNull(if(kind = 'outage', outage_id, exclusion_id)) AS name,
      argMaxIf(
        (
          coalesce(toString(code), ''),
          toUnixTimestamp64Micro(assumeNotNull(starts_at)),
          toUnixTimestamp64Micro(assumeNotNull(ends_at)),
          sections,
          coalesce(consent_ref, ''),
          coalesce(actor, ''),
          toUnixTimestamp64Micro(time)
        ),
        (time, source, id),
        endsWith(type, '.declared')
      ) AS declaration,
      countIf(endsWith(type, '.declared')) AS declared,
      maxIf(time, endsWith(type, '.declared')) AS declared_at,
      countIf(endsWith(type, '.revoked')) AS revoked,
      maxIf(time, endsWith(type, '.revoked')) AS revoked_at
    FROM counted_ops_events(cutoff = {cutoff:Int64})
    WHERE type IN ('exclusion.declared', 'exclusion.revoked', 'outage.declared', 'outage.revoked')
    GROUP BY scope, kind, name
    HAVING declared > 0 AND (revoked = 0 OR revoked_at < declared_at)
  )
SELECT
  s.scope AS scope,
  s.kind AS kind,
  s.name AS name,
  declaration.1 AS code,
  declaration.2 AS starts_us,
  declaration.3 AS ends_us,
  declaration.4 AS sections,
  declaration.5 AS consent_ref,
  declaration.7 AS declared_us,
  declaration.6 != '' AND arrayExists(
    one -> one.1 != declaration.6 AND one.2 >= declared_us, a.given
  ) AS approved
FROM standing AS s
LEFT JOIN approvals AS a ON s.scope = a.scope AND s.name = a.approves
WHERE starts_us < ends_us
