"""The overview's rows, as ClickHouse tells them: one for each tenant and month."""

from typing import Final

from mailsla.schemas.indicators import INDICATORS

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
  latest AS (
    SELECT
      toString(tenant_id) AS tenant, formatDateTime(c.month, '%Y-%m') AS label, c.month AS month,
      toString(verdict) AS verdict, revision, provisional
    FROM closings AS c
    WHERE status = 'final'
      AND ({month:String} = '' OR c.month = toDate(concat({day:String}, '-01')))
  ),
  items AS (
    SELECT
      toString(tenant_id) AS tenant, i.month AS month, i.revision AS revision,
      arraySort(groupUniqArrayIf(section, verdict = 'breached')) AS sections,
      countIf(verdict IN ('met', 'breached')) AS measured,
      countIf(verdict IN ('met', 'breached', 'no_data')) AS promised
    FROM closing_items AS i
    WHERE {month:String} = '' OR i.month = toDate(concat({day:String}, '-01'))
    GROUP BY tenant, month, revision
  ),
  closed AS (
    SELECT f.tenant, f.label, f.verdict, f.revision, i.sections, i.measured, i.promised
    FROM latest AS f
    INNER JOIN items AS i
      ON f.tenant = i.tenant AND f.month = i.month AND f.revision = i.revision
    -- What is provisional stands only for a month of which nothing is known live.
    WHERE NOT f.provisional
      OR (f.tenant, f.label) NOT IN (SELECT toString(tenant_id), toString(period) FROM status)
  )
SELECT
  e.tenant AS tenant, n.name AS name, e.month AS month, e.state AS state, e.sections AS sections,
  e.measured AS measured, e.promised AS promised, e.budget AS budget, e.left AS left,
  e.revision AS revision
FROM (
  SELECT
    tenant, month, worst AS state, sections, measured, toUInt64({promised:UInt32}) AS promised,
    scarcest.1 AS budget, if(scarcest.1 = '', NULL, round(scarcest.2, 4)) AS left,
    toUInt32(0) AS revision
  FROM live
  WHERE (tenant, month) NOT IN (SELECT tenant, label FROM latest WHERE NOT provisional)
  UNION ALL
  SELECT c.tenant, c.label, c.verdict, c.sections, c.measured, c.promised, '', NULL, c.revision
  FROM closed AS c
  LEFT JOIN (
    SELECT toString(tenant_id) AS tenant, toString(max(period)) AS month
    FROM status
    GROUP BY tenant
  ) AS newest ON c.tenant = newest.tenant
  WHERE {month:String} != ''
    OR c.label >= newest.month
      AND (c.tenant, c.label) IN (SELECT tenant, max(label) FROM latest GROUP BY tenant)
) AS e
LEFT JOIN (
  SELECT toString(tenant_id) AS tenant, argMax(ifNull(name, ''), version) AS name
  FROM contracts FINAL
  GROUP BY tenant
) AS n ON e.tenant = n.tenant
ORDER BY
  indexOf(['breached', 'failing', 'at_risk', 'incomplete', 'ok', 'met'], state), tenant, month
"""
"""Open months, and of a tenant without any its last closed one; with a month, that month of all."""

MONTHS: Final = """
SELECT month FROM (
  SELECT toString(period) AS month FROM status
  UNION DISTINCT SELECT formatDateTime(month, '%Y-%m') FROM closings
)
ORDER BY month DESC
"""
