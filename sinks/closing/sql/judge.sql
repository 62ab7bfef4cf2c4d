-- From exact integers to the columns of clause_results. `measured` is given by whoever reads this.
-- Values are shown truncated to nine decimals; verdicts compare the integers, cross-multiplied.
promises AS (
  SELECT
    toString(p.tenant_id) AS tenant_id,
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
  WHERE t.month = {month:Date}
),
compared AS (
  SELECT
    p.*,
    m.has_data AND m.den > 0 AS has_value,
    m.raw_den > 0 AS has_raw,
    m.num AS num,
    m.den AS den,
    m.raw_num AS raw_num,
    m.raw_den AS raw_den,
    m.excluded_num AS excluded_num,
    m.excluded_den AS excluded_den,
    m.evidence_count AS evidence_count,
    m.settled AS settled,
    m.num * 1000000000000 AS left,
    toInt256(toDecimal256(assumeNotNull(p.target), 12) * 1000000000000) * m.den AS right
  FROM promises AS p
  LEFT JOIN measured AS m ON p.tenant_id = m.tenant_id AND p.indicator = m.indicator
)
SELECT
  tenant_id,
  {month:Date} AS month,
  section,
  indicator,
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
  unit,
  comparator,
  target,
  multiIf(
    NOT judged OR settled, 'not_judged',
    NOT has_value, 'no_data',
    comparator = '<', if(left < right, 'met', 'breached'),
    comparator = '<=', if(left <= right, 'met', 'breached'),
    comparator = '>=', if(left >= right, 'met', 'breached'),
    if(left = right, 'met', 'breached')
  ) AS verdict,
  remedy,
  evidence_count,
  contract_version,
  profile
FROM compared
