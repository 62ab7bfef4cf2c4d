-- Contract section 4: cases answered late or not at all, and outside sources not reported.
WITH
  sources AS (
    SELECT
      toString(tenant_id) AS scope,
      case_id,
      minIf(toUnixTimestamp64Micro(time), type = 'source.confirmed') AS confirmed_us,
      uniqExactIf(reported_to, type = 'source.reported') AS told
    FROM counted_abuse_events(cutoff = {cutoff:Int64})
    WHERE type IN ('source.confirmed', 'source.reported')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    GROUP BY scope, case_id
    HAVING countIf(type = 'source.confirmed') > 0
  ),
  violations AS (
    SELECT tenant_id, indicator, countIf(late) AS violations
    FROM closing_cases(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    GROUP BY tenant_id, indicator
    UNION ALL
    SELECT
      s.tenant_id AS tenant_id,
      'antispam.foreign_source_report' AS indicator,
      countIf(f.told < 3) AS violations
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
    INNER JOIN sources AS f ON s.scope = f.scope
    WHERE f.confirmed_us >= s.start_us AND f.confirmed_us < s.end_us
    GROUP BY tenant_id
  )
{% set topic = 'mail.abuse' %}
{% set indicators = [
  'antispam.complaint_response', 'antispam.result_notice', 'antispam.blocklist_processing',
  'antispam.listing_report', 'antispam.foreign_source_report'
] %}
{% include 'counted_violations' %}
