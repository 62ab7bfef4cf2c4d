{# The end of every section whose indicators are counts: of each tenant of whom the topic ever spoke
   one row for each indicator, with what `violations` (tenant_id, indicator, violations) counted, or
   zero. Whoever includes it sets `topic` and `indicators`. -#}
SELECT
  s.tenant_id AS tenant_id,
  s.indicator AS indicator,
  toInt256(v.violations) AS num,
  toInt256(1) AS den,
  num AS raw_num,
  toInt256(1) AS raw_den,
  toInt256(0) AS excluded_num,
  toInt256(1) AS excluded_den,
  toUInt64(v.violations) AS evidence_count,
  true AS has_data,
  false AS settled
FROM (
  SELECT
    tenant_id,
    arrayJoin([
      {% for name in indicators %}'{{ name }}'{% if not loop.last %}, {% endif %}{% endfor %}

    ]) AS indicator
  FROM closing_spoken(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
  WHERE topic = '{{ topic }}'
) AS s
LEFT JOIN violations AS v ON s.tenant_id = v.tenant_id AND s.indicator = v.indicator
