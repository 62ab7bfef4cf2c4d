-- As clause_results, of closed tenant-months alone: the newest revision of each. Nothing is computed,
-- also where other tenants of the month are still open.
SELECT
  toString(tenant_id) AS tenant_id, month, section, toString(indicator) AS indicator,
  observed, raw, excluded, toString(unit) AS unit, comparator, target,
  toString(verdict) AS verdict, toString(remedy) AS remedy, evidence_count, contract_version,
  toString(profile) AS profile, parts
FROM closing_item_log
WHERE month = {month:Date}
  AND (run, tenant_id) IN (
    SELECT argMax(run, revision), tenant_id
    FROM closing_log
    WHERE month = {month:Date}
    GROUP BY tenant_id
  )
