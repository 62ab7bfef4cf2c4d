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
  latest AS (
    SELECT
      tenant_id, c.month AS month, formatDateTime(c.month, '%Y-%m') AS label,
      toString(verdict) AS verdict, revision, provisional
    FROM closings AS c
    WHERE status = 'final'
      AND ({month:String} = '' OR c.month = toDate(concat({day:String}, '-01')))
  ),
  live AS (
    SELECT
      tenant_id, period,
      multiIf(
        countIf(state = 'breached') > 0, 'breached',
        countIf(state = 'failing') > 0, 'failing',
        countIf(state = 'at_risk') > 0, 'at_risk',
        -- A month that is over with something unmeasured will not turn out well by itself.
        measured < {promised:UInt32} AND period < {this_month:String}, 'incomplete',
        'ok'
      ) AS worst,
      arraySort(groupUniqArrayIf(section, state != 'ok')) AS sections,
      countIf(observed IS NOT NULL AND indicator IN {judged:Array(String)}) AS measured,
      argMin(indicator, left) AS budget, min(left) AS least
    FROM (
      SELECT
        tenant_id, period, state, section, indicator, observed,
        if(
          target != 0 AND indicator IN {budgets:Array(String)},
          toFloat64(target - observed) / toFloat64(target), NULL
        ) AS left
      FROM status FINAL
      -- Before rows are merged: a period is part of what a row is known by.
      PREWHERE if(
        {month:String} != '', period = {month:String},
        (tenant_id, period) NOT IN (SELECT tenant_id, label FROM latest WHERE NOT provisional)
      )
    )
    GROUP BY tenant_id, period
  ),
  newest AS (
    SELECT tenant_id, toString(max(period)) AS label
    FROM status
    WHERE tenant_id IN (SELECT tenant_id FROM latest)
    GROUP BY tenant_id
  ),
  closed AS (
    SELECT c.tenant_id AS tenant_id, c.month AS month, c.label AS label, c.verdict AS verdict,
      c.revision AS revision
    FROM latest AS c
    LEFT JOIN newest ON c.tenant_id = newest.tenant_id
    WHERE (
        {month:String} != ''
        OR c.label >= newest.label
          AND (c.tenant_id, c.label) IN (
            SELECT tenant_id, max(label) FROM latest GROUP BY tenant_id
          )
      )
      -- What is provisional stands only for a month of which nothing is known live.
      AND (
        NOT c.provisional
        OR (c.tenant_id, c.label) NOT IN (
          SELECT tenant_id, period FROM status
          WHERE (tenant_id, period) IN (SELECT tenant_id, label FROM latest WHERE provisional)
        )
      )
  ),
  items AS (
    SELECT
      tenant_id, i.month AS month, i.revision AS revision,
      arraySort(groupUniqArrayIf(section, verdict = 'breached')) AS sections,
      countIf(verdict IN ('met', 'breached')) AS measured,
      countIf(verdict IN ('met', 'breached', 'no_data')) AS promised
    FROM closing_items AS i
    WHERE i.month IN (SELECT month FROM closed)
      AND (tenant_id, i.month) IN (SELECT tenant_id, month FROM closed)
    GROUP BY tenant_id, month, revision
  )
SELECT
  toString(e.tenant) AS tenant, n.name AS name, e.month AS month, e.state AS state,
  e.sections AS sections, e.measured AS measured, e.promised AS promised, e.budget AS budget,
  e.left AS left, e.revision AS revision
FROM (
  SELECT
    tenant_id AS tenant, toString(period) AS month, worst AS state, sections, measured,
    toUInt64({promised:UInt32}) AS promised, if(least IS NULL, '', toString(budget)) AS budget,
    round(least, 4) AS left, toUInt32(0) AS revision
  FROM live
  WHERE (tenant_id, period) NOT IN (SELECT tenant_id, label FROM latest WHERE NOT provisional)
  UNION ALL
  SELECT f.tenant_id, f.label, f.verdict, i.sections, i.measured, i.promised, '', NULL, f.revision
  FROM closed AS f
  INNER JOIN items AS i
    ON f.tenant_id = i.tenant_id AND f.month = i.month AND f.revision = i.revision
) AS e
LEFT JOIN (
  SELECT tenant_id, argMax(ifNull(name, ''), version) AS name
  FROM contracts FINAL
  GROUP BY tenant_id
) AS n ON e.tenant = n.tenant_id
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
