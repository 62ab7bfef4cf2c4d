-- What some revisions issued, and what they reversed of the ones before.
SELECT
  toString(tenant_id) AS tenant_id, toString(kind) AS kind, toString(remedy) AS remedy,
  days, amount, toString(coalesce(currency, '')) AS currency
FROM credits
WHERE month = {month:Date}
  AND (toString(tenant_id), revision) IN (
    SELECT pair.1, pair.2
    FROM (
      SELECT arrayJoin(arrayZip({tenants:Array(String)}, {revisions:Array(UInt32)})) AS pair
    )
  )
ORDER BY tenant_id, kind, remedy
