-- From exact integers to the columns of clause_results. `measured` is given by whoever reads this.
-- Values are shown truncated to nine decimals; verdicts compare the integers, cross-multiplied.
-- Where a month has parts, its verdict is made of theirs: breached if any is, else met if any is.
promises AS (
  SELECT
    p.tenant_id AS judged_id,
    p.scope AS tenant_id,
    p.part AS part,
    p.first_day AS first_day,
    p.last_day AS last_day,
    p.contract_version AS contract_version,
    p.profile AS profile,
    t.indicator AS indicator,
    t.section AS section,
    t.unit AS unit,
    t.comparator AS comparator,
    t.target AS target,
    t.remedy AS remedy,
    t.judged AS judged
  FROM closing_periods(month = {month:Date}, plan = {plan:UInt64}) AS p
  INNER JOIN plan_terms AS t ON p.month = t.month AND p.plan = t.plan AND p.terms = t.terms
  WHERE t.month = {month:Date} AND (p.part = 0 OR has(p.judges, t.indicator))
),
compared AS (
  SELECT
    p.*,
    -- What was not measured is null where any section's figures may be.
    coalesce(m.has_data AND m.den > 0, false) AS has_value,
    coalesce(m.raw_den > 0, false) AS has_raw,
    m.num AS num,
    m.den AS den,
    m.raw_num AS raw_num,
    m.raw_den AS raw_den,
    m.excluded_num AS excluded_num,
    m.excluded_den AS excluded_den,
    coalesce(m.evidence_count, 0) AS evidence_count,
    coalesce(m.settled, false) AS settled,
    m.num * 1000000000000 AS left,
    toInt256(toDecimal256(assumeNotNull(p.target), 12) * 1000000000000) * m.den AS right
  FROM promises AS p
  LEFT JOIN measured AS m ON p.judged_id = m.tenant_id AND p.indicator = m.indicator
),
judgements AS (
  SELECT
    *,
    if(
      has_value,
      CAST(divideDecimal(toDecimal256(num, 0), toDecimal256(greatest(den, 1), 0), 9), 'Decimal(38, 9)'),
      NULL
    ) AS observed,
    if(
      has_raw,
      CAST(divideDecimal(toDecimal256(raw_num, 0), toDecimal256(greatest(raw_den, 1), 0), 9), 'Decimal(38, 9)'),
      NULL
    ) AS raw,
    if(
      has_value,
      CAST(
        divideDecimal(toDecimal256(excluded_num, 0), toDecimal256(greatest(excluded_den, 1), 0), 9),
        'Decimal(38, 9)'
      ),
      NULL
    ) AS excluded,
    multiIf(
      NOT judged OR settled, 'not_judged',
      NOT has_value, 'no_data',
      comparator = '<', if(left < right, 'met', 'breached'),
      comparator = '<=', if(left <= right, 'met', 'breached'),
      comparator = '>=', if(left >= right, 'met', 'breached'),
      if(left = right, 'met', 'breached')
    ) AS alone
  FROM compared
),
months AS (
  SELECT
    tenant_id,
    indicator,
    anyIf(j.section, part = 0) AS section,
    anyIf(j.observed, part = 0) AS observed,
    anyIf(j.raw, part = 0) AS raw,
    anyIf(j.excluded, part = 0) AS excluded,
    anyIf(j.unit, part = 0) AS unit,
    anyIf(j.comparator, part = 0) AS comparator,
    anyIf(j.target, part = 0) AS target,
    anyIf(j.alone, part = 0) AS alone,
    anyIf(toString(j.remedy), part = 0) AS last_remedy,
    anyIf(j.evidence_count, part = 0) AS evidence_count,
    anyIf(j.contract_version, part = 0) AS contract_version,
    anyIf(j.profile, part = 0) AS profile,
    arraySort(
      one -> one.1,
      groupArrayIf(
        (
          part, j.contract_version, first_day, last_day, toString(j.observed), toString(j.target),
          CAST(j.comparator, 'Nullable(String)'), j.alone, toString(j.remedy)
        ),
        part > 0
      )
    ) AS parts
  FROM judgements AS j
  GROUP BY tenant_id, indicator
)
SELECT
  tenant_id,
  {month:Date} AS month,
  section,
  indicator,
  observed,
  raw,
  excluded,
  unit,
  comparator,
  target,
  multiIf(
    empty(m.parts), alone,
    has(m.parts.8, 'breached'), 'breached',
    has(m.parts.8, 'met'), 'met',
    has(m.parts.8, 'no_data'), 'no_data',
    'not_judged'
  ) AS verdict,
  -- The last part is the governing version's; breached before it, the first breached one owes.
  if(
    verdict = 'breached' AND notEmpty(m.parts) AND m.parts[-1].8 != 'breached',
    arrayFirst(one -> one.8 = 'breached', m.parts).9,
    last_remedy
  ) AS remedy,
  evidence_count,
  contract_version,
  profile,
  if(
    empty(m.parts),
    '[]',
    toJSONString(
      CAST(
        arrayMap(one -> (one.2, one.3, one.4, one.5, one.6, one.7, one.8), m.parts),
        'Array(Tuple(version Int64, from String, to String, observed Nullable(String), target Nullable(String), comparator Nullable(String), verdict String))'
      )
    )
  ) AS parts
FROM months AS m
