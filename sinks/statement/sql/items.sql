-- The frozen clause results of some revisions, with every column they have.
SELECT *
FROM closing_items
WHERE month = {month:Date}
  AND (toString(tenant_id), revision) IN (
    SELECT pair.1, pair.2
    FROM (
      SELECT arrayJoin(arrayZip({tenants:Array(String)}, {revisions:Array(UInt32)})) AS pair
    )
  )
ORDER BY tenant_id, section, indicator
