-- One row per tenant: the verdict of the month, what is breached and what is owed. A month in which
-- nothing is breached is met only if every judged promise was measured; otherwise it is incomplete.
SELECT
  tenant_id,
  {month:Date} AS month,
  multiIf(
    countIf(r.verdict = 'breached') > 0, 'breached', countIf(r.verdict = 'no_data') > 0, 'incomplete', 'met'
  ) AS verdict,
  arraySort(groupArrayIf(indicator, r.verdict = 'breached')) AS breached,
  arraySort(groupUniqArrayIf(remedy, r.verdict = 'breached' AND remedy != 'none')) AS remedies,
  arraySort(groupArrayIf(indicator, r.verdict = 'no_data')) AS without_data,
  countIf(r.verdict = 'met') AS met,
  countIf(r.verdict = 'no_data') AS no_data,
  countIf(r.verdict = 'not_judged') AS not_judged,
  any(contract_version) AS contract_version,
  any(profile) AS profile
FROM clause_results(month = {month:Date}) AS r
GROUP BY tenant_id
