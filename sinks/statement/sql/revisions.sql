-- The revisions a month's statements are made from: of each tenant the number asked for, or the
-- newest (revision = 0). No tenants given: all.
SELECT
  toString(tenant_id) AS tenant_id,
  revision,
  closed_at,
  cutoff,
  status,
  toString(verdict) AS verdict,
  contract_version,
  toString(profile) AS profile,
  provisional,
  toString(fingerprint) AS fingerprint,
  toString(run) AS run,
  arrayMap(one -> toString(one), undecided) AS undecided
FROM closings
WHERE month = {month:Date}
  AND (empty({tenants:Array(String)}) OR tenant_id IN {tenants:Array(String)})
  AND if({revision:UInt32} = 0, status = 'final', revision = {revision:UInt32})
ORDER BY tenant_id
