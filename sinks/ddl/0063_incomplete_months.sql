-- A month in which nothing was breached and something judged was never measured is incomplete; it
-- used to be called met, or no_data where nothing was measured. Figures, fingerprints and credits
-- stay as they were frozen; only the word follows from them now as it should.
ALTER TABLE closing_log UPDATE verdict = 'incomplete'
WHERE verdict IN ('met', 'no_data')
  AND (run, tenant_id) IN (SELECT run, tenant_id FROM closing_item_log WHERE verdict = 'no_data')
SETTINGS mutations_sync = 2;
