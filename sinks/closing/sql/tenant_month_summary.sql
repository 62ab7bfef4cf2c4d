-- One row per tenant: the verdict of the month, what is breached and what is owed.
SELECT
  tenant_id,
  {month:Date} AS month,
  multiIf(
    countIf(verdict = 'breached') > 0, 'breached', countIf(verdict = 'met') > 0, 'met', 'no_data'
  ) AS verdict,
  arraySort(groupArrayIf(indicator, verdict = 'breached')) AS breached,
  arraySort(groupUniqArrayIf(remedy, verdict = 'breached' AND remedy != 'none')) AS remedies,
  countIf(verdict = 'met') AS met,
  countIf(verdict = 'no_data') AS no_data,
  countIf(verdict = 'not_judged') AS not_judged,
  any(contract_version) AS contract_version,
  any(profile) AS profile
FROM clause_results(month = {month:Date})
GROUP BY tenant_id
