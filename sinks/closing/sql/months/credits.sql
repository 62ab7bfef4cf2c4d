-- The ledger: what each revision issued, and what it reversed of the one before.
SELECT * EXCEPT (run)
FROM credit_log
WHERE (run, tenant_id) IN (SELECT run, tenant_id FROM closing_log)
