-- The frozen clause results of every revision.
SELECT * EXCEPT (run)
FROM closing_item_log
WHERE (run, tenant_id) IN (SELECT run, tenant_id FROM closing_log)
