"""The overview's rows, as ClickHouse tells them: one for each tenant and month."""

from typing import Final

from schemas.indicators import INDICATORS

JUDGED: Final = [name for name, one in INDICATORS.items() if one.judged]

BUDGETS: Final = [
    name
    for name, one in INDICATORS.items()
    if one.judged and one.additive and one.unit in {"s", "count"} and one.comparator in {"<", "<="}
]
"""What is used up over a month; means recover, and what allows nothing has no budget."""

OVERVIEW: Final = """
WITH
  live AS (
    SELECT
      toString(tenant_id) AS tenant, toString(period) AS month,
      multiIf(
        countIf(state = 'breached') > 0, 'breached',
        countIf(state = 'failing') > 0, 'failing',
        countIf(state = 'at_risk') > 0, 'at_risk',
        -- A month that is over with something unmeasured will not turn out well by itself.
        measured < {promised:UInt32} AND month < {this_month:String}, 'incomplete',
        'ok'
      ) AS worst,
      arraySort(groupUniqArrayIf(section, state != 'ok')) AS sections,
      countIf(observed IS NOT NULL AND indicator IN {judged:Array(String)}) AS measured,
      argMinIf(
        (toString(indicator), left), left, indicator IN {budgets:Array(String)} AND isFinite(left)
      ) AS scarcest
    FROM (
      SELECT
        tenant_id, period, state, section, indicator, observed,
        ifNull(toFloat64(target - observed) / nullIf(toFloat64(target), 0), nan) AS left
      FROM status FINAL
      WHERE ({month:String} = '' OR period = {month:String})
    )
    GROUP BY tenant, month
  ),
  closed AS (
    SELECT
      toString(tenant_id) AS tenant, formatDateTime(c.month, '%Y-%m') AS month,
      toString(verdict) AS verdict, revision, provisional
    FROM closings AS c
    WHERE status = 'final'
      AND ({month:String} = '' OR c.month = toDate(concat({day:String}, '-01')))
  ),
  missing AS (
    SELECT
      toString(tenant_id) AS tenant, formatDateTime(c.month, '%Y-%m') AS month,
      arraySort(groupUniqArrayIf(section, verdict = 'breached')) AS sections,
      countIf(verdict IN ('met', 'breached')) AS measured,
      countIf(verdict IN ('met', 'breached', 'no_data')) AS promised
    FROM closing_items AS c
    WHERE ({month:String} = '' OR c.month = toDate(concat({day:String}, '-01')))
      AND (tenant_id, c.month, revision) IN (
        SELECT tenant_id, month, revision FROM closings WHERE status = 'final'
      )
    GROUP BY tenant, month
  ),
  every AS (
    SELECT
      tenant, month,
      anyIf(state, final) AS final_state,
      anyIf(state, NOT final) AS live_state,
      max(final) AS is_closed,
      if(is_closed, anyIf(sections, final), anyIf(sections, NOT final)) AS sections,
      if(is_closed, anyIf(measured, final), anyIf(measured, NOT final)) AS measured,
      if(is_closed, anyIf(promised, final), anyIf(promised, NOT final)) AS promised,
      max(revision) AS revision,
      anyIf(scarcest, NOT final) AS scarcest
    FROM (
      SELECT
        tenant, month, worst AS state, false AS final, sections, measured,
        toUInt64({promised:UInt32}) AS promised, toUInt32(0) AS revision, scarcest
      FROM live
      UNION ALL
      SELECT
        c.tenant, c.month, c.verdict, NOT c.provisional, m.sections, m.measured, m.promised,
        c.revision, ('', nan)
      FROM closed AS c
      LEFT JOIN missing AS m ON c.tenant = m.tenant AND c.month = m.month
    )
    GROUP BY tenant, month
  )
SELECT
  e.tenant AS tenant,
  n.name AS name,
  e.month AS month,
  if(e.is_closed, e.final_state, e.live_state) AS state,
  e.sections AS sections,
  e.measured AS measured,
  e.promised AS promised,
  if(e.is_closed, '', e.scarcest.1) AS budget,
  if(e.is_closed OR e.scarcest.1 = '', NULL, round(e.scarcest.2, 4)) AS left,
  if(e.is_closed, e.revision, 0) AS revision
FROM (SELECT *, month = max(month) OVER (PARTITION BY tenant) AS is_last FROM every) AS e
LEFT JOIN (
  SELECT toString(tenant_id) AS tenant, argMax(ifNull(name, ''), version) AS name
  FROM contracts FINAL
  GROUP BY tenant
) AS n ON e.tenant = n.tenant
WHERE {month:String} != '' OR NOT e.is_closed OR e.is_last
ORDER BY
  indexOf(['breached', 'failing', 'at_risk', 'incomplete', 'ok', 'met'], state), e.tenant, month
"""
"""Open months, and of a tenant without any its last closed one; with a month, that month of all."""

MONTHS: Final = """
SELECT month FROM (
  SELECT toString(period) AS month FROM status
  UNION DISTINCT SELECT formatDateTime(month, '%Y-%m') FROM closings
)
ORDER BY month DESC
"""
